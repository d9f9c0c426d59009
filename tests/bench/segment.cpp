// SPDX-License-Identifier: MIT
//
// What the parts of shared memory cost beside a hand-over:
//
//   mutual_1m     share (mutual) with another process, which claims, maps, reads
//                 a word of each page, lets go of it, and says so
//   map_64m       mmap(2) of a segment that has its pages, a word of each page
//                 written, munmap(2): what the page faults cost
//   populate_64m  the same with MAP_POPULATE, and nothing touched
//   *_small       of a segment without large pages
//   adopt_1m      ADOPT_MEM of private memory that was written before
//
// The peer is a memory file; of adopt_1m a new one, mapped, and the memory
// copied into it.
#include "memory_file.hpp"
#include "partner.hpp"

#include <sys/mman.h>

#include <chrono>
#include <cstring>

namespace bench {
namespace {

constexpr std::size_t large = 64 * mib;

// The other process says so when it has let go.
class answers final {
public:
    void give() const {
        const std::byte word{1};

        if (::write(pipe_.writer.get(), &word, 1) != 1) {
            fail("the pipe for answers");
        }
    }
    void await() const {
        std::byte word{};

        if (::read(pipe_.reader.get(), &word, 1) != 1) {
            fail("the pipe for answers");
        }
    }

private:
    descriptor_pair pipe_ = make_pipe(0);
};

void share_mutual(benchmark::State& state) {
    const ipcshim::port port = listening_port();
    const answers done;
    const partner other(port, [&](const ipcshim::port& its_port, pid_t) {
        for (;;) {
            {
                const ipcshim::segment segment = next_segment(its_port);
                const ipcshim::const_mapping mapping = segment.map_const();

                expect_pages(mapping.bytes(), 1);
            }
            done.give();
        }
    });
    const ipcshim::segment segment = port.create_segment(mib);
    const ipcshim::mapping mapping = segment.map();

    write_pages(mapping.bytes(), 1);
    state.SetLabel("segment, shared as mutual");
    for (auto _ : state) {
        segment.share(other.pid(), ipcshim::rights::read);
        done.await();
    }
}

void pass_memory_file(benchmark::State& state) {
    const descriptor_pair pair = make_seqpacket();
    const answers done;
    const child other([&] {
        for (;;) {
            {
                const descriptor file = receive_file(pair.reader.get());
                const file_mapping mapping(file.get(), mib, 0);

                expect_pages(mapping.bytes(), 1);
            }
            done.give();
        }
    });
    const descriptor file = make_memory_file(mib);
    const file_mapping mapping(file.get(), mib, 0);

    write_pages(mapping.bytes(), 1);
    state.SetLabel("memory file, SCM_RIGHTS");
    for (auto _ : state) {
        send_file(pair.writer.get(), file.get());
        done.await();
    }
}

enum class pages { touched, populated };

void map_segment(benchmark::State& state, pages how, const ipcshim::segment_parameters& kind) {
    const ipcshim::port port = ipcshim::port::open();
    const ipcshim::segment segment = port.create_segment(large, kind);
    ipcshim::mapping_parameters parameters;

    parameters.populate = how == pages::populated;
    write_pages(segment.map().bytes(), 1);
    state.SetLabel(kind.small_pages ? "segment of small pages" : "segment");
    for (auto _ : state) {
        const ipcshim::mapping mapping = segment.map(parameters);

        if (how == pages::touched) {
            write_pages(mapping.bytes(), 1);
        }
    }
}

void map_memory_file(benchmark::State& state, pages how) {
    const descriptor file = make_memory_file(large);

    write_pages(file_mapping(file.get(), large, 0).bytes(), 1);
    state.SetLabel("memory file");
    for (auto _ : state) {
        const file_mapping mapping(file.get(), large, how == pages::populated ? MAP_POPULATE : 0);

        if (how == pages::touched) {
            write_pages(mapping.bytes(), 1);
        }
    }
}

// Private anonymous memory that was written.
class private_memory final {
public:
    explicit private_memory(std::size_t size)
        : bytes_(static_cast<std::byte*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
                 size) {
        if (bytes_.data() == MAP_FAILED) {
            bytes_ = {};
            fail("mmap");
        }
        write_pages(bytes_, 1);
    }
    private_memory(const private_memory&) = delete;
    private_memory& operator=(const private_memory&) = delete;
    ~private_memory() { ::munmap(bytes_.data(), bytes_.size()); }

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

// Only body is measured; what it returns ends after that.
template <typename Body> void measure_with_memory(benchmark::State& state, Body body) {
    for ([[maybe_unused]] auto _ : state) {
        const private_memory memory(mib);
        const auto begin = std::chrono::steady_clock::now();
        const auto result = body(memory.bytes());
        const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;

        state.SetIterationTime(taken.count());
    }
}

void adopt(benchmark::State& state) {
    const ipcshim::port port = ipcshim::port::open();

    state.SetLabel("adopted");
    measure_with_memory(state, [&](std::span<std::byte> memory) {
        ipcshim::segment segment = port.adopt_memory(memory);

        return segment;
    });
}

void copy_to_memory_file(benchmark::State& state) {
    struct copied {
        descriptor file;
        file_mapping mapping;
    };

    state.SetLabel("copied into a memory file");
    measure_with_memory(state, [](std::span<std::byte> memory) {
        copied result;

        result.file = make_memory_file(memory.size());
        result.mapping = file_mapping(result.file.get(), memory.size(), 0);
        std::memcpy(result.mapping.bytes().data(), memory.data(), memory.size());
        return result;
    });
}

} // namespace

void add_segment(rows& all) {
    ipcshim::segment_parameters small;

    small.small_pages = true;
    all.add("mutual_1m/ours", share_mutual);
    all.add("mutual_1m/peer", pass_memory_file);
    for (const pages how : {pages::touched, pages::populated}) {
        const std::string name = how == pages::touched ? "map_64m" : "populate_64m";

        all.add(name + "/ours", [how](auto& state) { map_segment(state, how, {}); });
        all.add(name + "_small/ours",
                [how, small](auto& state) { map_segment(state, how, small); });
        all.add(name + "/peer", [how](auto& state) { map_memory_file(state, how); });
    }
    all.add_timed("adopt_1m/ours", adopt);
    all.add_timed("adopt_1m/peer", copy_to_memory_file);
}

} // namespace bench
