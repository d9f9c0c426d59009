// SPDX-License-Identifier: MIT
//
// A large answer that is not copied: the service paints a picture into a segment and
// hands that over with its answer. When the client has the answer, the segment is its
// own, and the service can not reach it any more.
// The program forks, so that it needs nobody else.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string_view>
#include <utility>
#include <variant>

#include <ipcshim/ipcshim.hpp>

namespace {

using namespace std::chrono_literals;
using ipcshim::rights;

constexpr std::string_view name = "example.painter";

struct picture {
    std::uint32_t width;
    std::uint32_t height;
    std::uint8_t shade;
};
constexpr std::uint16_t too_large = 1;
constexpr std::uint64_t most_pixels = 1 << 24;

// The answer itself is how many pixels there are.
constexpr ipcshim::method<1, picture, std::uint64_t> paint{};

void serve() {
    const auto port = ipcshim::port::open();
    ipcshim::service painter(name);
    painter.on(paint, [&](const picture& wanted, ipcshim::call_context& context) {
        const std::uint64_t pixels = std::uint64_t{wanted.width} * wanted.height;
        if (pixels == 0 || pixels > most_pixels) {
            throw ipcshim::service_error(too_large, "1 to 16777216 pixels, please");
        }
        auto canvas = port.create_segment(pixels);
        std::ranges::fill(canvas.map({.populate = true}).as<std::uint8_t>(), wanted.shade);
        context.hand_over(std::move(canvas), rights::read | rights::write);
        return pixels;
    });
    painter.on_client_gone([&](const ipcshim::client_gone&) { painter.stop(); });
    painter.run();
}

int use() {
    ipcshim::client painter(name, {.call_timeout = 2s, .wait = true});
    auto answer = painter.try_call(paint, {1024, 768, 0x7f});
    const std::uint64_t pixels = answer.value(); // throws what went wrong
    auto& memory = std::get<ipcshim::segment>(answer.descriptors().at(0));
    const auto view = memory.map();
    const auto shades = view.as<std::uint8_t>().first(pixels);
    const bool grey = std::ranges::all_of(shades, [](auto each) { return each == 0x7f; });
    std::cout << pixels << " pixels, " << (grey ? "all" : "not all") << " of them grey\n";
    shades[0] = 0; // ours alone
    return grey ? 0 : 1;
}

} // namespace

int main() {
    try {
        const pid_t child = ::fork();
        if (child == 0) {
            return use();
        }
        serve();
        int status = 0;
        return ::waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
