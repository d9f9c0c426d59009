// SPDX-License-Identifier: MIT
//
// A service whose requests and answers have texts, lists and optional parts: they go
// as CBOR, by way of nlohmann::json, which programs in other languages can read.
// The program forks, so that it needs nobody else.
//
//   ipcshim call --cbor example.library 1 '"Lem"'    asks the same service
//                                                    (service_cbor_example serve)
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <ipcshim/cbor_codec.hpp>
#include <ipcshim/ipcshim.hpp>

namespace {

using namespace std::chrono_literals;

constexpr std::string_view name = "example.library";

struct book {
    std::string title;
    int year = 0;
    std::vector<std::string> translators;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(book, title, year, translators)

using ipcshim::cbor_codec;
constexpr ipcshim::method<1, std::string, std::vector<book>, cbor_codec> books_of{};
constexpr ipcshim::method<2, std::map<std::string, book>, void, cbor_codec> add{};

void serve(bool once) {
    std::multimap<std::string, book> shelf;
    ipcshim::service library(name);
    library.on(add, [&](const std::map<std::string, book>& books) {
        shelf.insert(books.begin(), books.end());
    });
    library.on(books_of, [&](const std::string& author) {
        std::vector<book> found;
        const auto [begin, end] = shelf.equal_range(author);
        for (auto each = begin; each != end; ++each) {
            found.push_back(each->second);
        }
        return found;
    });
    library.on_client_gone([&](const ipcshim::client_gone&) {
        if (once) {
            library.stop();
        }
    });
    library.run();
}

int use() {
    ipcshim::client library(name, {.call_timeout = 2s, .wait = true});
    library.call(add, {{"Lem", {"Solaris", 1961, {"Kilmartin", "Cox"}}}});
    library.call(add, {{"Lem", {"Cyberiada", 1965, {"Kandel"}}},
                       {"Strugatsky", {"Piknik na obochine", 1972, {}}}});
    const std::vector<book> found = library.call(books_of, "Lem");
    for (const book& each : found) {
        std::cout << each.title << ", " << each.year << ", " << each.translators.size()
                  << " translators\n";
    }
    return found.size() == 2 && found[0].translators.size() == 2 ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    try {
        if (argc > 1 && argv[1] == std::string_view("serve")) {
            serve(false);
        }
        const pid_t child = ::fork();
        if (child == 0) {
            return use();
        }
        serve(true);
        int status = 0;
        return ::waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
