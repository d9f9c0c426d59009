// SPDX-License-Identifier: MIT
#include "digest.hpp"

#include <array>
#include <stdexcept>

#include <fmt/format.h>

namespace demo {

namespace {

void require(int result) {
    if (result != 1) {
        throw std::runtime_error("libcrypto can't compute a SHA-256");
    }
}

} // namespace

digest::digest() : context_(EVP_MD_CTX_new()) {
    require(context_ ? 1 : 0);
    require(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void digest::add(std::span<const std::byte> bytes) {
    require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

std::string digest::finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> sum{};
    unsigned int size = 0;

    require(EVP_DigestFinal_ex(context_.get(), sum.data(), &size));
    std::string text;
    for (const unsigned char byte : std::span(sum).first(size)) {
        text += fmt::format("{:02x}", byte);
    }
    return text;
}

} // namespace demo
