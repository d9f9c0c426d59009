// SPDX-License-Identifier: MIT
// How a mapped pipe ends, and to whom it belongs: closing, dying, forking, handing over,
// unmapping and mapping again.
#include <gtest/gtest.h>
#include <signal.h>

#include <array>

#include "mapped_support.hpp"

namespace {

using ipcshim::how;
using ipcshim::io_mode;
using ipcshim::mapped_receiver;
using ipcshim::mapped_sender;
using ipcshim::pipe_mode;
using test::matching;
using test::patterned;

class MappedEnd : public ::testing::TestWithParam<pipe_mode> {
protected:
    ipcshim::pipe_pair pair = test::mapped_pair(GetParam());
    std::array<std::byte, 64> piece{};
    std::error_code error;

    // Takes the receiver, and ends as it is told to.
    test::process reader_that(const std::function<void(mapped_receiver&)>& end) {
        return test::process([this, end](const test::line& parent) {
            pair.sender.close();
            mapped_receiver in(std::move(pair.receiver));
            parent.put(1);
            static_cast<void>(parent.get());
            end(in);
            static_cast<void>(parent.get());
        });
    }
};

TEST_P(MappedEnd, AWriterIsToldThatTheReaderClosed) {
    auto other = reader_that([](mapped_receiver& in) { in.close(); });
    pair.receiver.close();
    mapped_sender out(std::move(pair.sender));
    static_cast<void>(other.get());
    out.write(piece);
    EXPECT_FALSE(out.other_ended());
    other.put(1);
    test::wait_until([&] { return out.other_ended().has_value(); });
    EXPECT_EQ(out.other_ended(), how::closed);
    EXPECT_EQ(out.write(piece, io_mode::all, error).cause(), ipcshim::cause::closed);
    EXPECT_EQ(error, std::errc::broken_pipe);
    EXPECT_THROW(static_cast<void>(out.reserve(1'000)), std::system_error);
    EXPECT_TRUE(test::ready_for(out.fd()) & POLLERR);
    other.put(1);
    other.join();
}

TEST_P(MappedEnd, AWriterThatWaitsIsToldThatTheReaderWasKilled) {
    auto other = reader_that([](mapped_receiver&) {});
    static_cast<void>(other.get());
    pair.receiver.close();
    test::process writer([&](const test::line& parent) {
        mapped_sender out(std::move(pair.sender));
        while (!error)
            out.write(piece, io_mode::fail, error);
        parent.put(1);
        out.write(piece, io_mode::all, error);
        CHECK(error == std::errc::broken_pipe);
        CHECK(out.other_ended() == how::killed);
    });
    static_cast<void>(writer.get());
    test::wait_until([&] { return pair.sender.info().write_waits(); });
    other.kill();
    writer.join();
}

TEST_P(MappedEnd, AReaderDrainsWhatAKilledWriterLeft) {
    test::process other([&](const test::line& parent) {
        pair.receiver.close();
        mapped_sender out(std::move(pair.sender));
        out.write(patterned(30, 1));
        out.write(patterned(34, 1, 30));
        static_cast<void>(out.reserve(500));
        parent.put(1);
        static_cast<void>(parent.get());
    });
    static_cast<void>(other.get());
    pair.sender.close();
    mapped_receiver in(std::move(pair.receiver));
    EXPECT_FALSE(in.other_ended());
    EXPECT_FALSE(test::ready_for(in.fd()) & (POLLHUP | POLLRDHUP));
    other.kill();
    test::wait_until([&] { return in.other_ended().has_value(); });
    EXPECT_EQ(in.other_ended(), how::killed);
    EXPECT_EQ(test::ready_for(in.fd()), POLLIN | POLLHUP | POLLRDHUP);
    auto result = in.read(std::span(piece).first(30));
    EXPECT_EQ(result.moved(), 30U);
    result = in.read(std::span(piece).subspan(30));
    EXPECT_EQ(result.moved(), 34U);
    EXPECT_EQ(matching(piece, 1), piece.size());
    result = in.read(piece);
    EXPECT_EQ(result.moved(), 0U);
    EXPECT_TRUE(result.closed());
    EXPECT_TRUE(in.peek().empty());
}

TEST_P(MappedEnd, AReaderThatWaitsIsToldThatTheWriterEnded) {
    for (const bool dies : {false, true}) {
        pair = test::mapped_pair(GetParam());
        test::process other([&](const test::line& parent) {
            pair.receiver.close();
            mapped_sender out(std::move(pair.sender));
            static_cast<void>(parent.get());
            if (dies)
                CHECK_CALL(::raise(SIGKILL));
        });
        test::process reader([&](const test::line&) {
            pair.sender.close();
            mapped_receiver in(std::move(pair.receiver));
            CHECK(in.read(piece).closed());
        });
        pair.sender.close();
        test::wait_until([&] { return pair.receiver.info().read_waits(); });
        other.put(1);
        reader.join();
    }
}

TEST_P(MappedEnd, ClosedForEverybodyIsClosedForBothAtOnce) {
    mapped_sender out(std::move(pair.sender));
    mapped_receiver in(std::move(pair.receiver));
    out.write(piece);
    in.receiver().close_pipe();
    EXPECT_TRUE(in.other_ended() || out.other_ended());
    out.write(piece, io_mode::all, error);
    EXPECT_EQ(error, std::errc::broken_pipe);
    // What was in it is lost to the driver's read, so it must not be told twice here.
    std::array<std::byte, 64> first{};
    static_cast<void>(in.receiver().read(first, io_mode::all, error));
    EXPECT_FALSE(error);
}

TEST_P(MappedEnd, AMappingKeepsTheEndOpenUntilItGoes) {
    {
        mapped_sender out(std::move(pair.sender));
        EXPECT_EQ(pair.receiver.info().is_open(), true);
        out.write(piece);
    }
    EXPECT_FALSE(pair.receiver.info().is_open());
    EXPECT_EQ(pair.receiver.read(piece).moved(), piece.size());
    EXPECT_TRUE(pair.receiver.read(piece).closed());
}

TEST_P(MappedEnd, UnmappedAndMappedAgainItGoesOnWhereItWas) {
    mapped_sender out(std::move(pair.sender));
    mapped_receiver in(std::move(pair.receiver));
    for (std::uint64_t round = 0; round < 50; ++round) {
        out.write(patterned(500, round));
        out.write(patterned(70, round));
        pair.sender = out.unmap();
        EXPECT_THROW(out.write(piece), std::logic_error);
        pair.sender.write(patterned(40, round));
        EXPECT_EQ(matching(in.peek().first(500), round), 500U);
        in.release();
        if (GetParam() == pipe_mode::message) {
            EXPECT_EQ(matching(in.peek(), round), 70U);
            in.release();
            pair.receiver = in.unmap();
            EXPECT_EQ(pair.receiver.read(piece).moved(), 40U);
            in = mapped_receiver(std::move(pair.receiver));
        } else {
            pair.receiver = in.unmap();
            in = mapped_receiver(std::move(pair.receiver));
        }
        out = mapped_sender(std::move(pair.sender));
    }
    EXPECT_EQ(in.receiver().info().bytes_waiting(), 0U);
}

TEST_P(MappedEnd, AChildHasNoMappingAndNoWayToGetOne) {
    mapped_sender out(std::move(pair.sender));
    const auto is_mapped = [] {
        return test::file_content("/proc/self/maps").find("ipcshim:[sender:") != std::string::npos;
    };
    EXPECT_TRUE(is_mapped());
    test::process other([&](const test::line&) {
        CHECK(!is_mapped());
        // The object is there without its memory; what it owned can be had of it.
        const ipcshim::sender end = out.unmap();
        CHECK(::mmap(nullptr, test::page(), PROT_READ, MAP_SHARED, end.fd(), 0) == MAP_FAILED);
        CHECK(errno == EBUSY);
        end.write(piece, io_mode::all, error);
        CHECK(error == std::errc::device_or_resource_busy);
        CHECK(::write(end.fd(), piece.data(), 1) == -1 && errno == EBUSY);
    });
    other.join();
    out.write(piece);
    pair.sender = out.unmap();
    test::process heir([&](const test::line&) {
        mapped_sender its(std::move(pair.sender));
        its.write(piece);
    });
    heir.join();
    EXPECT_GE(pair.receiver.info().bytes_waiting(), 2 * piece.size());
}

TEST_P(MappedEnd, AnEndThatIsMappedIsNotHandedOver) {
    const auto port = test::listening_port();
    mapped_sender out(std::move(pair.sender));
    out.sender().send_to(::getpid(), {}, error);
    EXPECT_EQ(error, std::errc::device_or_resource_busy);
    try {
        out.sender().send_to(::getpid());
        FAIL() << "it was handed over";
    } catch (const std::system_error& refused) {
        EXPECT_NE(std::string(refused.what()).find("this end is mapped"), std::string::npos)
            << refused.what();
    }
    pair.sender = out.unmap();
    EXPECT_NE(pair.sender.send_to(::getpid()), ipcshim::no_token);
    auto claimed = port.claim_sender(port.read_event());
    mapped_sender its(std::move(claimed));
    its.write(piece);
    EXPECT_EQ(pair.receiver.read(piece).moved(), piece.size());
}

TEST_P(MappedEnd, OneOpenedForAnotherProcessIsMappedThere) {
    auto port = test::listening_port();
    const pid_t target = ::getpid();
    test::process other([&](const test::line&) {
        ipcshim::pipe_parameters parameters;
        parameters.mode = GetParam();
        parameters.mapped = true;
        mapped_sender out(ipcshim::port::open().open_sender(target, parameters));
        out.write(patterned(64, 9));
    });
    mapped_receiver in(port.claim_receiver(port.read_event()));
    EXPECT_EQ(in.mode(), GetParam());
    EXPECT_EQ(in.read(piece).moved(), piece.size());
    EXPECT_EQ(matching(piece, 9), piece.size());
    EXPECT_TRUE(in.read(piece).closed());
    other.join();
}

TEST_P(MappedEnd, NothingIsLeft) {
    const auto before = test::totals();
    for (int round = 0; round < 3; ++round) {
        auto mine = test::mapped_pair(GetParam());
        mapped_sender out(std::move(mine.sender));
        test::process other([&](const test::line& parent) {
            mapped_receiver in(std::move(mine.receiver));
            parent.put(in.read(piece).moved());
            static_cast<void>(parent.get());
        });
        out.write(piece);
        EXPECT_EQ(other.get(), piece.size());
        other.kill();
    }
    test::wait_until([&] { return test::totals() == before; });
}

INSTANTIATE_TEST_SUITE_P(Of, MappedEnd, ::testing::Values(pipe_mode::raw, pipe_mode::message),
                         [](const auto& info) { return std::string(to_string(info.param)); });

} // namespace
