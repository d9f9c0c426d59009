// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_CODEC_HPP
#define IPCSHIM_CODEC_HPP

#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <ipcshim/detail/export.hpp>

/// \file
/// The seam between typed calls and bytes. A codec is a type with two static member
/// templates,
///
///     template <class T> static void encode(const T& value, std::vector<std::byte>& out);
///     template <class T> static T decode(std::span<const std::byte> bytes);
///
/// where encode() appends to `out`, and decode() throws codec_error for bytes that are
/// no T. They are called from any number of threads at once. plain_codec is here, one
/// that encodes as CBOR in cbor_codec.hpp. (Ours.)

namespace ipcshim {

/// Bytes that are not what they should be, or a value that can't be bytes.
class IPCSHIM_API codec_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
    codec_error(const codec_error&) = default;
    codec_error(codec_error&&) = default;
    codec_error& operator=(const codec_error&) = default;
    codec_error& operator=(codec_error&&) = default;
    ~codec_error() override;
};

/// A type that encodes and decodes T.
template <typename Codec, typename T>
concept codec_of = std::is_void_v<T> ||
    requires(const std::remove_cv_t<T>& value, std::vector<std::byte>& out,
             std::span<const std::byte> bytes) {
    Codec::encode(value, out);
    { Codec::template decode<T>(bytes) } -> std::same_as<T>;
};

namespace detail {

template <typename T>
concept plain = std::is_trivially_copyable_v<T> && std::is_default_constructible_v<T> &&
                !std::is_pointer_v<T> &&
                !std::is_reference_v<T> && !std::is_array_v<T>;

[[noreturn]] IPCSHIM_API void wrong_length(std::size_t expected, std::size_t got);

/// Bytes between members would tell another process what lay there before.
template <typename T> void clear_padding(T& value) noexcept {
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(&value);
#endif
#endif
    static_cast<void>(value);
}

} // namespace detail

/// As they lie in memory: structures without pointers, numbers, std::string,
/// std::vector of such. For processes of one machine, built alike.
///
/// decode() checks the length and nothing else: a bool or an enumeration within a
/// structure can hold a value that it should not have, if another process says so. Take
/// integers for what you don't trust.
struct plain_codec final {
    template <detail::plain T> static void encode(const T& value, std::vector<std::byte>& out) {
        T copy(value);
        detail::clear_padding(copy);
        append(std::as_bytes(std::span<const T, 1>(&copy, 1)), out);
    }
    static void encode(const std::string& value, std::vector<std::byte>& out) {
        append(std::as_bytes(std::span(value)), out);
    }
    template <detail::plain T>
    static void encode(const std::vector<T>& values, std::vector<std::byte>& out) {
        static_assert(!std::is_same_v<T, bool>, "a vector of bool has no elements in memory");
        if constexpr (std::has_unique_object_representations_v<T>) {
            append(std::as_bytes(std::span(values)), out);
        } else {
            for (const T& value : values) {
                encode(value, out);
            }
        }
    }

    template <typename T> [[nodiscard]] static T decode(std::span<const std::byte> bytes) {
        return decoder<T>::decode(bytes);
    }

private:
    static void append(std::span<const std::byte> bytes, std::vector<std::byte>& out) {
        out.insert(out.end(), bytes.begin(), bytes.end());
    }

    template <typename T> struct decoder {
        static_assert(detail::plain<T>, "plain_codec takes only what can be copied as bytes; bring "
                                        "a codec of your own, or take cbor_codec");
        static T decode(std::span<const std::byte> bytes) {
            if (bytes.size() != sizeof(T)) {
                detail::wrong_length(sizeof(T), bytes.size());
            }
            T value{};
            std::memcpy(&value, bytes.data(), sizeof(T));
            return value;
        }
    };
    // A text, or elements.
    template <typename T>
    requires requires { typename T::value_type; } &&(!detail::plain<T>)struct decoder<T> {
        static T decode(std::span<const std::byte> bytes) {
            using element = typename T::value_type;
            static_assert(detail::plain<element>);
            if (bytes.size() % sizeof(element) != 0) {
                detail::wrong_length(sizeof(element), bytes.size());
            }
            T values(bytes.size() / sizeof(element), element{});
            if (!bytes.empty()) {
                std::memcpy(values.data(), bytes.data(), bytes.size());
            }
            return values;
        }
    };
};

} // namespace ipcshim

#endif
