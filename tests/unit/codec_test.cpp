// SPDX-License-Identifier: MIT
//
// Codecs, and what typed methods make of them.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <map>
#include <optional>

#include <ipcshim/cbor_codec.hpp>
#include <ipcshim/ipcshim.hpp>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using ipcshim::test::thrown;
using bytes = std::vector<std::byte>;

struct padded {
    std::uint8_t small;
    std::uint64_t large;
};

struct entry {
    std::string key;
    std::optional<int> number;
};
void to_json(nlohmann::json& out, const entry& value) {
    out = {{"key", value.key}};
    if (value.number) {
        out["number"] = *value.number;
    }
}
void from_json(const nlohmann::json& in, entry& value) {
    in.at("key").get_to(value.key);
    if (in.contains("number")) {
        value.number = in.at("number").get<int>();
    }
}

template <typename Codec, typename T> bytes encoded(const T& value) {
    bytes out{std::byte{0xEE}}; // encode() appends
    Codec::encode(value, out);
    EXPECT_EQ(out.at(0), std::byte{0xEE});
    out.erase(out.begin());
    return out;
}

template <typename Codec, typename T> T there_and_back(const T& value) {
    return Codec::template decode<T>(encoded<Codec>(value));
}

TEST(plain_codec, numbers_structures_texts_and_lists_come_back) {
    EXPECT_EQ(there_and_back<plain_codec>(std::uint32_t{0x12345678}), 0x12345678U);
    EXPECT_EQ(there_and_back<plain_codec>(2.5), 2.5);
    const padded value = there_and_back<plain_codec>(padded{.small = 3, .large = 1ULL << 40});
    EXPECT_EQ(value.small, 3);
    EXPECT_EQ(value.large, 1ULL << 40);
    EXPECT_EQ(there_and_back<plain_codec>(std::string("a\0b", 3)), std::string("a\0b", 3));
    EXPECT_EQ(there_and_back<plain_codec>(std::string()), "");
    const std::vector<std::int16_t> numbers{1, -2, 3};
    EXPECT_EQ(there_and_back<plain_codec>(numbers), numbers);
    EXPECT_EQ(there_and_back<plain_codec>(std::vector<double>{1.5, -0.0}).size(), 2U);
    EXPECT_EQ(there_and_back<plain_codec>(bytes{}), bytes{});
    EXPECT_EQ(there_and_back<plain_codec>((std::array<char, 3>{'a', 'b', 'c'}))[2], 'c');
}

TEST(plain_codec, a_text_is_its_bytes_and_nothing_else) {
    EXPECT_EQ(encoded<plain_codec>(std::string("hi")), (bytes{std::byte{'h'}, std::byte{'i'}}));
}

TEST(plain_codec, what_lay_between_the_members_does_not_travel) {
    padded value{};
    std::memset(&value, 0x55, sizeof(value));
    value.small = 1;
    value.large = 2;
    const bytes wire = encoded<plain_codec>(value);
    for (std::size_t i = 1; i < offsetof(padded, large); ++i) {
        EXPECT_EQ(wire.at(i), std::byte{0}) << i;
    }
    const bytes list = encoded<plain_codec>(std::vector<padded>{value, value});
    ASSERT_EQ(list.size(), 2 * sizeof(padded));
    EXPECT_EQ(list.at(sizeof(padded) + 1), std::byte{0});
}

TEST(plain_codec, another_length_is_refused_with_both_lengths) {
    for (const std::size_t length : {0U, 3U, 5U}) {
        const std::string text =
            thrown<codec_error>([&] { (void)plain_codec::decode<std::uint32_t>(bytes(length)); });
        EXPECT_TRUE(text.starts_with("a value of 4 bytes")) << text;
        EXPECT_NE(text.find(std::to_string(length) + " bytes came"), std::string::npos) << text;
    }
    EXPECT_THROW((void)plain_codec::decode<std::vector<std::uint32_t>>(bytes(6)), codec_error);
}

TEST(cbor_codec, containers_and_own_types_come_back) {
    const std::map<std::string, std::vector<int>> value{{"a", {1, 2}}, {"b", {}}};
    EXPECT_EQ(there_and_back<cbor_codec>(value), value);
    EXPECT_EQ(there_and_back<cbor_codec>(entry{.key = "k", .number = 7}).number, 7);
    EXPECT_EQ(there_and_back<cbor_codec>(entry{.key = "k", .number = {}}).number, std::nullopt);
}

TEST(cbor_codec, the_bytes_are_those_of_the_standard) {
    // RFC 8949, appendix A: [1, 2, 3] and "a".
    EXPECT_EQ(encoded<cbor_codec>(std::vector<int>{1, 2, 3}),
              (bytes{std::byte{0x83}, std::byte{1}, std::byte{2}, std::byte{3}}));
    EXPECT_EQ(encoded<cbor_codec>(std::string("a")), (bytes{std::byte{0x61}, std::byte{0x61}}));
}

TEST(cbor_codec, rubbish_and_other_types_are_refused) {
    EXPECT_THROW((void)cbor_codec::decode<int>(bytes{}), codec_error);
    EXPECT_THROW((void)cbor_codec::decode<int>(bytes(3, std::byte{0xFF})), codec_error);
    const bytes number = encoded<cbor_codec>(5);
    const std::string text =
        thrown<codec_error>([&] { (void)cbor_codec::decode<std::string>(number); });
    EXPECT_TRUE(text.starts_with("cannot decode as CBOR: ")) << text;
    bytes longer = number;
    longer.push_back(std::byte{0});
    EXPECT_THROW((void)cbor_codec::decode<int>(longer), codec_error) << "bytes are left";
}

TEST(method, nothing_is_no_bytes_and_bytes_are_not_nothing) {
    EXPECT_TRUE((detail::encoded<plain_codec, void>(detail::nothing{}).empty()));
    EXPECT_NO_THROW((void)(detail::decoded<plain_codec, void>(bytes{})));
    EXPECT_THROW((void)(detail::decoded<plain_codec, void>(bytes(1))), codec_error);
}

struct own_codec {
    template <class T> static void encode(const T&, bytes& out) { out.push_back(std::byte{1}); }
    template <class T> static T decode(std::span<const std::byte> from) {
        return T(std::to_integer<int>(from[0]));
    }
};
struct half_a_codec {
    template <class T> static void encode(const T&, bytes&) {}
};

TEST(method, the_seam_takes_any_type_with_both_functions_and_no_other) {
    static_assert(codec_of<own_codec, int> && codec_of<own_codec, void>);
    static_assert(!codec_of<half_a_codec, int>);
    static_assert(codec_of<plain_codec, padded> && codec_of<plain_codec, std::string>);
    static_assert(codec_of<cbor_codec, entry>);
    EXPECT_EQ((detail::decoded<own_codec, int>(detail::encoded<own_codec, int>(77))), 1);
}

} // namespace
