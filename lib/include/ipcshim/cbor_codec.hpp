// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_CBOR_CODEC_HPP
#define IPCSHIM_CBOR_CODEC_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <ipcshim/codec.hpp>

/// \file
/// A codec for everything that nlohmann::json converts: containers, texts, optional
/// members, own types with to_json() and from_json(). The bytes are CBOR (RFC 8949),
/// which programs in other languages read as well. Only who includes this header needs
/// the package nlohmann-json3-dev; the library itself does not. (Ours.)

namespace ipcshim {

/// CBOR by way of nlohmann::json.
struct cbor_codec final {
    /// Throws codec_error for what CBOR can't hold: a text that is not UTF-8 is sent as
    /// it is, but to_json() of an own type may throw.
    template <typename T> static void encode(const T& value, std::vector<std::byte>& out) {
        try {
            const std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(nlohmann::json(value));
            const auto encoded = std::as_bytes(std::span(bytes));
            out.insert(out.end(), encoded.begin(), encoded.end());
        } catch (const nlohmann::json::exception& error) {
            throw codec_error(std::string("cannot encode as CBOR: ") + error.what());
        }
    }

    template <typename T> [[nodiscard]] static T decode(std::span<const std::byte> bytes) {
        try {
            // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as bytes
            const auto* const begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
            return nlohmann::json::from_cbor(begin, begin + bytes.size()).template get<T>();
        } catch (const nlohmann::json::exception& error) {
            throw codec_error(std::string("cannot decode as CBOR: ") + error.what());
        }
    }
};

} // namespace ipcshim

#endif
