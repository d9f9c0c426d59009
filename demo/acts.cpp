// SPDX-License-Identifier: MIT
#include "acts.hpp"

#include <signal.h> // NOLINT(modernize-deprecated-headers): SIGKILL

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <ipcshim/port.hpp>

#include "actor.hpp"
#include "frame.hpp"
#include "pipeline.hpp"
#include "quiet.hpp"

namespace demo {

namespace {

using nlohmann::json;

// Any two users that are not root, which could reach everybody.
constexpr uid_t alice = 1000;
constexpr uid_t bob = 1001;

/// An act that takes longer has failed.
clock::time_point patience() {
    return clock::now() + std::chrono::seconds(15);
}

std::string number(pid_t pid) {
    return std::to_string(pid);
}

/// The names of the few errors that the demo provokes.
std::string name_of(int error) {
    switch (error) {
    case 0:
        return "no error";
    case EPIPE:
        return "EPIPE";
    case ESRCH:
        return "ESRCH";
    case ECONNREFUSED:
        return "ECONNREFUSED";
    case EPERM:
        return "EPERM";
    default:
        return fmt::format("errno {}", error);
    }
}

/// Hears both until each has said how it ended; shows how far the receiver is.
std::array<json, 2> hear_both(stage& shown, actor& receiver, actor& sender) {
    const std::array<actor* const, 2> both{&receiver, &sender};
    const clock::time_point begin = clock::now();
    const clock::time_point until = patience();
    std::array<json, 2> last;

    while (last[0].is_null() || last[1].is_null()) {
        const actor::heard heard = actor::hear_any(both, until);
        if (heard.what.at("state") == "progress") {
            shown.progress(heard.what.at("bytes"), heard.what.at("of"),
                           std::chrono::duration<double>(clock::now() - begin).count());
        } else {
            last[heard.who] = heard.what;
        }
    }
    return last;
}

/// The checksums of these frames and one more, in a process that is handed none
/// of them.
std::vector<std::string> expect_frames(stage& shown, std::uint32_t frames, std::uint64_t size) {
    const clock::time_point begin = clock::now();
    std::vector<std::string> sums;
    std::uint64_t bytes = 0;

    for (std::uint32_t n = 0; n <= frames; n++) {
        sums.push_back(expected_sha256(n));
        bytes += kind_of(n).bytes();
        shown.progress(std::min(bytes, size), size,
                       std::chrono::duration<double>(clock::now() - begin).count());
    }
    return sums;
}

struct pipeline_books {
    std::vector<json> frames;
    json returned;
    json taken;
    std::array<json, 3> last; ///< of source, filter and sink
};

/// Hears the three until each has said its last word; shows how far they are.
pipeline_books hear_pipeline(stage& shown, const std::array<actor* const, 3>& actors,
                             std::uint64_t size) {
    const clock::time_point begin = clock::now();
    const clock::time_point until = patience();
    std::uint64_t bytes = 0;
    pipeline_books books;

    while (std::any_of(books.last.begin(), books.last.end(),
                       [](const json& one) { return one.is_null(); })) {
        const actor::heard heard = actor::hear_any(actors, until);
        const std::string state = heard.what.at("state");

        if (state == "frame") {
            books.frames.push_back(heard.what);
            bytes += heard.what.at("bytes").get<std::uint64_t>();
            shown.progress(bytes, size,
                           std::chrono::duration<double>(clock::now() - begin).count());
        } else if (state == "returned") {
            books.returned = heard.what;
        } else if (state == "taken") {
            books.taken = heard.what;
        } else {
            books.last.at(heard.who) = heard.what;
        }
    }
    return books;
}

std::uint64_t segments_in_driver() {
    return ipcshim::port::open().query().totals().segments;
}

} // namespace

void play_file(stage& shown, const std::filesystem::path& file) {
    shown.act("A file, to a process of which only the pid is known",
              "a raw pipe of 1 MiB; both sides compute SHA-256 on the way");
    actor receiver({"receive-file"});
    receiver.expect("ready", patience());
    actor sender({"send-file", number(receiver.pid()), file.string()});
    const auto [received, sent] = hear_both(shown, receiver, sender);

    const auto size = std::filesystem::file_size(file);
    const std::uint64_t bytes = received.at("bytes");
    const double seconds = received.at("seconds");
    const double rate = seconds > 0 ? static_cast<double>(bytes) / 1e6 / seconds : 0;

    shown.tell("file", fmt::format("{}, {} bytes", file.filename().string(), grouped(size)));
    shown.tell("sent", fmt::format("{} bytes by pid {}", grouped(sent.at("bytes")), sender.pid()));
    shown.detail(sent.value("sha256", sent.value("sentence", "")));
    shown.tell("received", fmt::format("{} bytes by pid {}", grouped(bytes), receiver.pid()));
    shown.detail(received.at("sha256").get<std::string>());
    shown.tell("throughput",
               fmt::format("{:.1f} MB/s: {} in {:.2f} s", rate, megabytes(bytes), seconds));
    shown.figure("bytes", bytes);
    shown.figure("seconds", seconds);
    shown.figure("megabytes_per_second", rate);
    shown.figure("sha256_sent", sent.value("sha256", ""));
    shown.figure("sha256_received", received.at("sha256"));

    shown.check("the file has at least 20 MB", size >= 20'000'000);
    shown.check("every byte was sent and received", sent.at("bytes") == size && bytes == size);
    shown.check("the SHA-256 is the same on both sides",
                sent.value("sha256", "") == received.at("sha256").get<std::string>());
    shown.check("the receiver was told who sends, and how much",
                received.at("from") == sender.pid() && received.at("hint") == size);
}

void play_lines(stage& shown, const std::filesystem::path& text) {
    shown.act("The lines of a text, as messages", "a message pipe; each line is one message");
    actor receiver({"receive-lines"});
    receiver.expect("ready", patience());
    actor sender({"send-lines", number(receiver.pid()), text.string()});
    const auto [received, sent] = hear_both(shown, receiver, sender);
    const std::uint64_t messages = received.at("messages");
    const std::uint64_t bytes = received.at("bytes");

    shown.tell("text", fmt::format("{}, {} bytes", text.filename().string(),
                                   grouped(std::filesystem::file_size(text))));
    shown.tell("sent", fmt::format("{} messages, {} bytes", grouped(sent.at("messages")),
                                   grouped(sent.at("bytes"))));
    shown.tell("received",
               fmt::format("{} messages, {} bytes, the longest {} bytes", grouped(messages),
                           grouped(bytes), grouped(received.at("longest"))));
    shown.figure("messages", messages);
    shown.figure("bytes", bytes);
    shown.figure("seconds", received.at("seconds"));

    shown.check("as many messages as lines", messages > 0 && sent.at("messages") == messages);
    shown.check("no byte is missing", bytes == std::filesystem::file_size(text));
    shown.check("put together they are the text (SHA-256)",
                sent.at("sha256") == received.at("sha256"));
}

void play_quiet(stage& shown, const std::filesystem::path& text) {
    shown.act("The same text, without a system call",
              "a mapped pipe; at a system call meanwhile the kernel is to kill the process");
    actor receiver({"receive-quietly"});
    receiver.expect("ready", patience());
    actor sender({"send-quietly", number(receiver.pid()), text.string()});
    const auto [received, sent] = hear_both(shown, receiver, sender);
    const std::uint64_t messages = received.at("messages");
    const std::uint64_t bytes = received.at("bytes");
    const int killed_by = signal_of_a_system_call();

    shown.tell("sent", fmt::format("{} messages, {} bytes", grouped(sent.at("messages")),
                                   grouped(sent.at("bytes"))));
    shown.tell("received",
               fmt::format("{} messages, {} bytes; {} were there when it began", grouped(messages),
                           grouped(bytes), grouped(received.at("unread"))));
    shown.figure("messages", messages);
    shown.figure("bytes", bytes);
    shown.figure("killed_by", killed_by);

    shown.check("all lines came, and are the text (SHA-256)",
                messages > 0 && sent.at("messages") == messages &&
                    bytes == std::filesystem::file_size(text) &&
                    sent.at("sha256") == received.at("sha256"));
    shown.check("all was written before any of it was read, then all was read",
                received.at("closed") == true && received.at("unread") == messages);
    shown.check("neither was killed; a process that makes one call is, by SIGSYS",
                killed_by == SIGSYS);
}

void play_frames(stage& shown) {
    constexpr std::uint32_t frames = 16;

    shown.act("Frames go through three processes, and no byte of them is copied",
              "source, filter, sink, and round again: each hand-over takes the memory away");
    const std::uint64_t before = segments_in_driver();
    std::uint64_t size = 0;
    for (std::uint32_t n = 0; n < frames; n++) {
        size += kind_of(n).bytes();
    }
    for (const picture_kind& kind : picture_kinds) {
        shown.tell(&kind == picture_kinds.data() ? "pictures" : "", kind.name);
    }
    shown.tell("expected", "computed first, by a process that is handed none of them");
    const std::vector<std::string> expected = expect_frames(shown, frames, size);
    actor sink({"sink", std::to_string(frames)});
    sink.expect("ready", patience());
    actor filter({"filter", number(sink.pid()), std::to_string(frames)});
    filter.expect("ready", patience());
    actor source({"source", number(filter.pid()), std::to_string(frames)});

    const pipeline_books told = hear_pipeline(shown, {&source, &filter, &sink}, size);
    std::uint32_t same = 0;
    for (std::size_t n = 0; n < told.frames.size() && n < frames; n++) {
        if (told.frames[n].at("number") == n && told.frames[n].at("sha256") == expected[n]) {
            same++;
        }
    }
    const double seconds = told.last[2].at("seconds");

    const auto sum = [&](const char* what) {
        return std::accumulate(
            told.last.begin(), told.last.end(), std::uint64_t{0},
            [&](std::uint64_t n, const json& one) { return n + one.at(what).get<unsigned>(); });
    };
    const auto each_time = [&](const char* what) {
        return std::all_of(told.last.begin(), told.last.end(),
                           [&](const json& one) { return one.at(what) == frames; });
    };

    shown.tell("passed on", fmt::format("{} frames, {} of pixels, in {:.2f} s", told.frames.size(),
                                        megabytes(size), seconds));
    shown.tell("memory", fmt::format("{} segments of {} KiB, used over and over", ring_length,
                                     segment_bytes / 1024));
    shown.tell("lost", fmt::format("{} hand-overs; touched again: {} SIGBUS, {} ESTALE",
                                   sum("passed"), sum("sigbus"), sum("stale")));
    shown.tell("lent",
               fmt::format("once given back; once taken back {:.1f} ms after its time, "
                           "in the midst of {} writes",
                           told.taken.at("late").get<double>(), grouped(told.taken.at("writes"))));
    shown.figure("frames", told.frames.size());
    shown.figure("bytes", size);
    shown.figure("seconds", seconds);
    shown.figure("handed_over", sum("passed"));
    shown.figure("sigbus", sum("sigbus"));
    shown.figure("stale", sum("stale"));
    shown.figure("taken_back_late_ms", told.taken.at("late"));

    shown.check("all frames came, in order, blurred as they should be (SHA-256)",
                same == frames && told.frames.size() == frames);
    shown.check("who handed one on could not touch it any more: SIGBUS",
                each_time("passed") && each_time("sigbus"));
    shown.check("nor map it again: ESTALE", each_time("stale"));
    shown.check("one was lent, and came back blurred; the borrower had lost it",
                told.returned.at("how") == "returned" &&
                    told.returned.at("sha256") == expected[frames] &&
                    told.last[1].at("returned_sigbus") == true);
    shown.check("one was taken back when its time was over; no write is missing",
                told.taken.at("how") == "lease_ended" &&
                    told.last[1].at("lease") == "lease_ended" && told.last[1].at("writes") > 0 &&
                    told.last[1].at("writes") == told.taken.at("writes"));
    source.kill();
    filter.kill();
    sink.kill();
    shown.check("no segment is left", segments_in_driver() == before);
}

void play_killed(stage& shown, const std::filesystem::path& file) {
    constexpr std::uint64_t taken = 3'000'000;

    shown.act("A reader is killed in mid-stream",
              "the writer is told how it ended, and what was lost");
    actor reader({"hold", std::to_string(taken)});
    reader.expect("ready", patience());
    const pid_t victim = reader.pid();
    actor writer({"send-file", number(victim), file.string()});
    const std::uint64_t read = reader.expect("holding", patience()).at("bytes");
    reader.kill();
    const json told = writer.hear(patience());
    const bool closed = told.at("state") == "closed";
    const std::uint64_t written = told.at("bytes");
    const std::uint64_t unread = told.value("unread", std::uint64_t{0});
    const int status = told.value("status", 0);
    const std::string how = told.value("how", "nothing");

    shown.tell("reader", fmt::format("pid {} read {} and got SIGKILL", victim, megabytes(read)));
    shown.tell("writer",
               fmt::format("pid {} was writing {}", writer.pid(), megabytes(told.at("size"))));
    shown.tell("its error", fmt::format("{}: {}", name_of(told.value("errno", 0)),
                                        told.value("sentence", "none")));
    shown.tell("its event", fmt::format("PIPE_CLOSED: {} by signal {}, {} bytes never read", how,
                                        status, grouped(unread)));
    shown.tell("the books", fmt::format("{} written = {} read + {} never read", grouped(written),
                                        grouped(read), grouped(unread)));
    shown.figure("bytes_written", written);
    shown.figure("bytes_read", read);
    shown.figure("bytes_never_read", unread);
    shown.figure("how", how);
    shown.figure("status", status);

    shown.check("the writer was stopped, by EPIPE", closed && told.value("errno", 0) == EPIPE);
    shown.check("it was told that the reader was killed by signal 9",
                how == "killed" && status == SIGKILL && told.value("from", -1) == victim);
    shown.check("every byte is accounted for",
                read == taken && unread > 0 && written == read + unread);
}

void play_refusals(stage& shown) {
    struct refusal {
        const char* name;
        pid_t target;
        int error;
    };

    shown.act("Refusals", "every caller is uid 1000; nothing is created, and a sentence says why");
    actor gone({"idle"}, alice);
    gone.expect("ready", patience());
    const pid_t nobody = gone.pid();
    gone.kill();
    actor deaf({"idle"}, alice);
    deaf.expect("ready", patience());
    actor foreign({"host"}, bob);
    foreign.expect("ready", patience());
    actor own({"host"}, alice);
    own.expect("ready", patience());

    for (const refusal& each :
         {refusal{"no process", nobody, ESRCH}, refusal{"no handler", deaf.pid(), ECONNREFUSED},
          refusal{"another user", foreign.pid(), EPERM}, refusal{"its own", own.pid(), 0}}) {
        actor caller({"knock", number(each.target)}, alice);
        const json answer = caller.expect("done", patience());
        const int error = answer.at("errno");

        if (each.error != 0) {
            shown.tell(each.name, answer.at("sentence").get<std::string>());
            shown.figure(each.name, answer);
            shown.check(fmt::format("refused with {}", name_of(each.error)), error == each.error);
        } else {
            shown.check("the same knock at a process of its own, with a handler, is let in",
                        error == 0);
        }
    }
}

} // namespace demo
