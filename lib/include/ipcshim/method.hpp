// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_METHOD_HPP
#define IPCSHIM_METHOD_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <ipcshim/codec.hpp>

/// \file
/// What service and client agree on, in a header that both include:
///
///     inline constexpr ipcshim::method<1, key, value> get{};
///     inline constexpr ipcshim::method<2, entry> put{}; // answers nothing
///     inline constexpr ipcshim::notification<1, key> changed{};
///
/// Plain values without state. (Ours; codes are NightOS's.)

namespace ipcshim {

/// A method of a service: its code, what is asked, what is answered, and how both are
/// made bytes. void: nothing.
template <std::uint16_t Code, typename Request = void, typename Reply = void,
          typename Codec = plain_codec>
requires codec_of<Codec, Request> && codec_of<Codec, Reply>
struct method final {
    static constexpr std::uint16_t code = Code;
    using request_type = Request;
    using reply_type = Reply;
    using codec_type = Codec;
};

/// What a service tells its clients unasked. void: its code alone.
template <std::uint16_t Code, typename Value = void, typename Codec = plain_codec>
requires codec_of<Codec, Value>
struct notification final {
    static constexpr std::uint16_t code = Code;
    using value_type = Value;
    using codec_type = Codec;
};

namespace detail {

/// Stands for void where a value is needed.
struct nothing final {};

template <typename T> using value_of = std::conditional_t<std::is_void_v<T>, nothing, T>;

template <typename Codec, typename T>
[[nodiscard]] std::vector<std::byte> encoded(const value_of<T>& value) {
    std::vector<std::byte> out;
    if constexpr (!std::is_void_v<T>) {
        Codec::encode(value, out);
    }
    return out;
}

template <typename Codec, typename T>
[[nodiscard]] value_of<T> decoded(std::span<const std::byte> bytes) {
    if constexpr (std::is_void_v<T>) {
        if (!bytes.empty()) {
            wrong_length(0, bytes.size());
        }
        return {};
    } else {
        return Codec::template decode<T>(bytes);
    }
}

} // namespace detail

} // namespace ipcshim

#endif
