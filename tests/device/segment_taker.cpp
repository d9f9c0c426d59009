// SPDX-License-Identifier: MIT
#include <sys/wait.h>

#include <cstring>

#include "segment_support.hpp"

namespace test {

enum class taker::order : std::uint64_t {
    take,
    take_token,
    map,
    event,
    events_waiting,
    sum,
    fill,
    touch,
    poke,
    info,
    info_error,
    unmap,
    close,
    give_back,
    hand_over,
    share,
    close_port,
    descriptor,
    exit,
    execute,
};

// What it has.
struct taker::state {
    ipcshim::port port = segment_port();
    unique_fd fd;
    area memory;

    std::size_t length() const { return info_of(fd.get()).length; }
};

template <typename T> static void put_struct(const line& to, const T& value) {
    static_assert(sizeof(T) % sizeof(std::uint64_t) == 0);
    std::array<std::uint64_t, sizeof(T) / sizeof(std::uint64_t)> words{};
    std::memcpy(words.data(), &value, sizeof(value));
    for (const auto word : words)
        to.put(word);
}

template <typename T> static T get_struct(const process& from) {
    std::array<std::uint64_t, sizeof(T) / sizeof(std::uint64_t)> words{};
    for (auto& word : words)
        word = from.get();
    T value{};
    std::memcpy(&value, words.data(), sizeof(value));
    return value;
}

void taker::obey(const line& parent) {
    state mine;
    parent.put(1);
    for (;;) {
        const auto what = static_cast<order>(parent.get());
        const auto first = parent.get();
        const auto second = parent.get();
        const auto answer = [&](int value) { parent.put(static_cast<std::uint64_t>(value)); };
        switch (what) {
        case order::take: {
            const auto event = expect_event(mine.port, IPCSHIM_EVENT_RECV_SHARED_MEM);
            auto taken = claim_segment(mine.port, event.token);
            mine.memory.reset();
            mine.fd = std::move(taken.fd);
            if (taken.error == 0 && first != PROT_NONE)
                mine.memory = area(mine.fd.get(), taken.args.length, static_cast<int>(first),
                                   static_cast<int>(second));
            const auto sum = checksum(mine.memory.bytes());
            put_struct(parent, event);
            answer(taken.error);
            parent.put(sum);
            break;
        }
        case order::take_token: {
            auto taken = claim_segment(mine.port, first);
            mine.memory.reset();
            mine.fd = std::move(taken.fd);
            answer(taken.error);
            break;
        }
        case order::map: {
            mine.memory.reset();
            const auto length = mine.length();
            const int error = mmap_error(mine.fd.get(), length, static_cast<int>(first),
                                         static_cast<int>(second));
            if (error == 0)
                mine.memory =
                    area(mine.fd.get(), length, static_cast<int>(first), static_cast<int>(second));
            answer(error);
            break;
        }
        case order::event:
            put_struct(parent, mine.port.read_event().raw());
            break;
        case order::events_waiting:
            parent.put(mine.port.events_waiting());
            break;
        case order::sum:
            parent.put(checksum(mine.memory.bytes()));
            break;
        case order::fill:
            mine.memory.fill(first);
            answer(0);
            break;
        case order::touch:
            answer(test::touch(mine.memory.data() + first));
            break;
        case order::poke:
            answer(test::poke(mine.memory.data() + first, static_cast<std::byte>(second)));
            break;
        case order::info:
            put_struct(parent, info_of(mine.fd.get()));
            break;
        case order::info_error:
            answer(test::info_error(mine.fd.get()));
            break;
        case order::unmap:
            mine.memory.reset();
            answer(0);
            break;
        case order::close:
            mine.fd.reset();
            answer(0);
            break;
        case order::give_back:
            answer(test::give_back(mine.fd.get()));
            break;
        case order::hand_over:
            answer(test::hand_over(mine.fd.get(), static_cast<pid_t>(first)).error);
            break;
        case order::share:
            answer(test::share(mine.fd.get(), static_cast<pid_t>(first),
                               static_cast<std::uint16_t>(second))
                       .error);
            break;
        case order::close_port:
            mine.port.close();
            answer(0);
            break;
        case order::descriptor:
            send_fd(parent, mine.fd.get());
            break;
        case order::exit:
            ::_exit(static_cast<int>(first));
        case order::execute:
            ::execl("/proc/self/exe", "ends", "--end", nullptr);
            ::_exit(1);
        }
    }
}

taker::taker(const std::function<void()>& prologue)
    : process_(std::make_unique<process>([&prologue](const line& parent) {
          if (prologue)
              prologue();
          obey(parent);
      })) {
    CHECK(process_->get() == 1);
}

void taker::tell(order what, std::uint64_t first, std::uint64_t second) const {
    process_->put(static_cast<std::uint64_t>(what));
    process_->put(first);
    process_->put(second);
}

std::uint64_t taker::ask(order what, std::uint64_t first, std::uint64_t second) const {
    tell(what, first, second);
    return process_->get();
}

taker::taken taker::take(int prot, int flags) {
    tell(order::take, static_cast<std::uint64_t>(prot), static_cast<std::uint64_t>(flags));
    taken result{};
    result.event = get_struct<ipcshim_event>(*process_);
    result.error = static_cast<int>(process_->get());
    result.sum = process_->get();
    result.data = result.event.recv_shared_mem;
    return result;
}

int taker::take_token(std::uint64_t token) {
    return static_cast<int>(ask(order::take_token, token));
}

int taker::map(int prot, int flags) {
    return static_cast<int>(
        ask(order::map, static_cast<std::uint64_t>(prot), static_cast<std::uint64_t>(flags)));
}

ipcshim_event taker::event() {
    tell(order::event);
    return get_struct<ipcshim_event>(*process_);
}

std::uint64_t taker::events_waiting() {
    return ask(order::events_waiting);
}

std::uint64_t taker::sum() {
    return ask(order::sum);
}

void taker::fill(std::uint64_t seed) {
    ask(order::fill, seed);
}

int taker::touch(std::size_t offset) {
    return static_cast<int>(ask(order::touch, offset));
}

int taker::poke(std::size_t offset, std::byte value) {
    return static_cast<int>(ask(order::poke, offset, static_cast<std::uint64_t>(value)));
}

ipcshim_mem_info taker::info() {
    tell(order::info);
    return get_struct<ipcshim_mem_info>(*process_);
}

int taker::info_error() {
    return static_cast<int>(ask(order::info_error));
}

void taker::unmap() {
    ask(order::unmap);
}

void taker::close() {
    ask(order::close);
}

int taker::give_back() {
    return static_cast<int>(ask(order::give_back));
}

int taker::hand_over(pid_t pid) {
    return static_cast<int>(ask(order::hand_over, static_cast<std::uint64_t>(pid)));
}

int taker::share(pid_t pid, std::uint16_t rights) {
    return static_cast<int>(ask(order::share, static_cast<std::uint64_t>(pid), rights));
}

void taker::close_port() {
    ask(order::close_port);
}

unique_fd taker::descriptor() {
    tell(order::descriptor);
    return receive_fd(process_->wire());
}

void taker::exit(int code) {
    tell(order::exit, static_cast<std::uint64_t>(code));
    const int status = process_->wait();
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
}

void taker::execute() {
    tell(order::execute);
    const int status = process_->wait();
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

} // namespace test
