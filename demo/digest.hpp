// SPDX-License-Identifier: MIT
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace demo {

/// A SHA-256 in the making, by libcrypto.
class digest final {
public:
    digest();

    void add(std::span<const std::byte> bytes);
    /// The sum of all that was added, in hexadecimal. The last call.
    [[nodiscard]] std::string finish();

private:
    struct deleter {
        void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
    };
    std::unique_ptr<EVP_MD_CTX, deleter> context_;
};

} // namespace demo
