// SPDX-License-Identifier: MIT
//
// Names, connections, and sockets without a name, as a port asks for them.
#include <gtest/gtest.h>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using namespace ipcshim::test;

class port_service : public ::testing::Test {
protected:
    ~port_service() override {
        opened.close();
        EXPECT_TRUE(kernel.open_fds().empty()) << "a descriptor leaked";
        EXPECT_EQ(kernel.bad_closes(), 0) << "a descriptor was closed twice";
    }

    void answer_publish() {
        kernel.on<::ipcshim_publish>(IPCSHIM_PUBLISH, [this](int, ::ipcshim_publish& raw) {
            name.assign(reinterpret_cast<const char*>(raw.name), raw.name_length);
            published = raw;
            raw.service = ++numbers;
            return 0;
        });
        kernel.on<::ipcshim_withdraw>(IPCSHIM_WITHDRAW, [this](int, ::ipcshim_withdraw& raw) {
            withdrawn.push_back(raw.service);
            return 0;
        });
    }
    void answer_connect(int answer, std::uint16_t reason = 0) {
        kernel.on<::ipcshim_connect_service>(
            IPCSHIM_CONNECT_SERVICE, [this, answer, reason](int, ::ipcshim_connect_service& raw) {
                connected = raw;
                raw.reason = reason;
                if (answer == 0) {
                    raw.fd = kernel.make_fd();
                    raw.message_max = 8192;
                    raw.connection = 61;
                    raw.inode = 62;
                }
                return answer;
            });
    }
    static event request() {
        ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_SERVICE_CONN_REQUEST);
        raw.token = 71;
        return event(raw);
    }

    fake_kernel kernel;
    port opened = port::open(default_device, kernel);
    std::string name;
    ::ipcshim_publish published{};
    ::ipcshim_connect_service connected{};
    std::vector<std::uint64_t> withdrawn;
    std::uint64_t numbers = 0;
};

TEST_F(port_service, a_name_is_withdrawn_when_it_goes_and_once) {
    answer_publish();
    {
        published_service mine = opened.publish("store", {.message_max = 65536});
        EXPECT_EQ(name, "store");
        EXPECT_EQ(published.message_max, 65536U);
        EXPECT_EQ(mine.number(), 1U);
        EXPECT_EQ(mine.name(), "store");
        published_service moved = std::move(mine);
        EXPECT_FALSE(mine.is_published()); // NOLINT(bugprone-use-after-move)
        moved = opened.publish("second");
        EXPECT_EQ(withdrawn, (std::vector<std::uint64_t>{1})) << "by the assignment";
    }
    EXPECT_EQ(withdrawn, (std::vector<std::uint64_t>{1, 2}));
    published_service kept = opened.publish("kept");
    kept.keep();
    kept = {};
    published_service early = opened.publish("early");
    early.withdraw();
    early.withdraw();
    EXPECT_EQ(withdrawn, (std::vector<std::uint64_t>{1, 2, 4}));
}

TEST_F(port_service, a_name_that_is_taken_says_what_to_do) {
    kernel.refuse(IPCSHIM_PUBLISH, EADDRINUSE);
    const std::string text = thrown<std::system_error>([&] { (void)opened.publish("store"); });
    EXPECT_TRUE(text.starts_with("cannot publish 'store': another port of this user")) << text;
}

TEST_F(port_service, a_name_of_any_length_is_asked_for_as_too_long) {
    kernel.on<::ipcshim_publish>(IPCSHIM_PUBLISH, [](int, ::ipcshim_publish& raw) {
        EXPECT_EQ(raw.name_length, 65U);
        return -ENAMETOOLONG;
    });
    EXPECT_EQ(thrown_errno([&] { (void)opened.publish(std::string(100'000, 'x')); }), ENAMETOOLONG);
}

TEST_F(port_service, connect_passes_every_parameter_and_takes_every_answer) {
    answer_connect(0);
    const ipcshim::socket side =
        opened.connect("store", {.until = deadline(std::chrono::nanoseconds(800)),
                                 .flexible = true,
                                 .wait = true,
                                 .uid = 1001,
                                 .message_max = 10000,
                                 .command = 5,
                                 .nonblocking = true});
    EXPECT_EQ(connected.name_length, 5U);
    EXPECT_EQ(connected.flags, 0xFU);
    EXPECT_EQ(connected.deadline, 800U);
    EXPECT_EQ(connected.uid, 1001U);
    EXPECT_EQ(connected.message_max, 10000U);
    EXPECT_EQ(connected.command, 5);
    EXPECT_EQ(side.side(), role::client);
    EXPECT_EQ(side.message_max(), 8192U);
    EXPECT_EQ(side.connection(), 61U);
    EXPECT_EQ(side.inode(), 62U);
    (void)opened.connect("store");
    EXPECT_EQ(connected.flags, 0U);
    EXPECT_EQ(connected.deadline, 0U) << "the driver's two seconds";
    (void)opened.connect("store", {.until = no_deadline});
    EXPECT_GT(connected.deadline, 1ULL << 60) << "0 would be two seconds";
}

TEST_F(port_service, a_rejection_tells_the_services_word) {
    answer_connect(-ECONNREFUSED, 17);
    try {
        (void)opened.connect("store");
        FAIL();
    } catch (const refused_error& error) {
        EXPECT_EQ(error.reason(), 17);
        EXPECT_NE(std::string(error.what()).find("(its word: 17)"), std::string::npos);
    }
    std::error_code error;
    std::uint16_t reason = 1;
    EXPECT_FALSE(opened.connect("store", {}, error, reason));
    EXPECT_EQ(reason, 17);
    answer_connect(-ENOENT, 17);
    EXPECT_FALSE(opened.connect("store", {}, error, reason));
    EXPECT_EQ(reason, 0) << "it is no rejection";
}

TEST_F(port_service, a_request_is_accepted_or_rejected_by_its_token) {
    ::ipcshim_reject rejected{};
    kernel.on<::ipcshim_accept>(IPCSHIM_ACCEPT, [this](int, ::ipcshim_accept& raw) {
        EXPECT_EQ(raw.request, 71U);
        EXPECT_EQ(raw.flags, unsigned{IPCSHIM_OPEN_NONBLOCK});
        raw.fd = kernel.make_fd();
        raw.inode = 72;
        raw.message_max = 4096;
        return 0;
    });
    kernel.on<::ipcshim_reject>(IPCSHIM_REJECT, [&](int, ::ipcshim_reject& raw) {
        rejected = raw;
        return 0;
    });
    const ipcshim::socket side = opened.accept(request(), true);
    EXPECT_EQ(side.side(), role::service);
    EXPECT_EQ(side.connection(), 71U);
    EXPECT_EQ(side.inode(), 72U);
    opened.reject(request(), 9);
    EXPECT_EQ(rejected.request, 71U);
    EXPECT_EQ(rejected.reason, 9);
    const event other(raw_recv_pty());
    EXPECT_EQ(thrown_errno([&] { (void)opened.accept(other); }), EINVAL);
    EXPECT_EQ(thrown_errno([&] { opened.reject(other, 1); }), EINVAL);
}

TEST_F(port_service, has_service_tells_who_or_nothing) {
    bool exists = true;
    kernel.on<::ipcshim_has_service>(IPCSHIM_HAS_SERVICE, [&](int, ::ipcshim_has_service& raw) {
        EXPECT_EQ(raw.flags, exists ? unsigned{IPCSHIM_CONNECT_UID} : 0U);
        raw.exists = exists ? 1 : 0;
        raw.pid = 33;
        raw.message_max = 4096;
        raw.service = 5;
        return 0;
    });
    EXPECT_EQ(opened.has_service("x", 0),
              (service_info{.number = 5, .pid = 33, .message_max = 4096}));
    exists = false;
    EXPECT_FALSE(opened.has_service("x").has_value());
}

TEST_F(port_service, sockets_without_a_name_go_to_a_process_or_stay) {
    ::ipcshim_open_serv_sock asked{};
    kernel.on<::ipcshim_open_serv_sock>(IPCSHIM_OPEN_SERV_SOCK,
                                        [&](int, ::ipcshim_open_serv_sock& raw) {
                                            asked = raw;
                                            raw.fd = kernel.make_fd();
                                            raw.peer_fd = raw.pid == 0 ? kernel.make_fd() : -1;
                                            raw.token = raw.pid == 0 ? 0 : 90;
                                            raw.connection = 91;
                                            raw.inode = 92;
                                            return 0;
                                        });
    kernel.on_fstat = [](int, struct ::stat& found) {
        found.st_ino = 93;
        return 0;
    };
    const ipcshim::socket mine = opened.open_socket(44, role::service, {.command = 6});
    EXPECT_EQ(asked.pid, 44U);
    EXPECT_EQ(asked.role, IPCSHIM_ROLE_SERVICE);
    EXPECT_EQ(asked.command, 6);
    EXPECT_EQ(asked.flags, 0U);
    EXPECT_EQ(mine.side(), role::service);
    const auto quiet = opened.open_socket_unannounced(44, role::client);
    EXPECT_EQ(asked.flags, unsigned{IPCSHIM_OPEN_SKIP});
    EXPECT_EQ(quiet.token, token{90});
    const socket_pair both = opened.open_socket_pair({.nonblocking = true});
    EXPECT_EQ(asked.pid, 0U);
    EXPECT_EQ(asked.flags, unsigned{IPCSHIM_OPEN_NONBLOCK});
    EXPECT_EQ(both.client.side(), role::client);
    EXPECT_EQ(both.client.inode(), 92U);
    EXPECT_EQ(both.service.side(), role::service);
    EXPECT_EQ(both.service.inode(), 93U);
    EXPECT_EQ(thrown_errno([&] { (void)opened.open_socket(0, role::client); }), EINVAL);
}

TEST_F(port_service, a_claimed_socket_is_told_from_pipes_and_segments) {
    kernel.on<::ipcshim_claim>(IPCSHIM_CLAIM, [this](int, ::ipcshim_claim& raw) {
        raw.fd = kernel.make_fd();
        raw.role = IPCSHIM_ROLE_SERVICE; // the number of a receiver
        raw.mode = IPCSHIM_SOCKET;       // and of a raw pipe
        raw.message_max = 65536;         // and the capacity of one
        raw.connection = 4096;           // and the length of a segment
        raw.inode = 60;
        return 0;
    });
    const port::claimed found = opened.claim(token{5});
    const auto& side = std::get<ipcshim::socket>(found);
    EXPECT_EQ(side.side(), role::service);
    EXPECT_EQ(side.message_max(), 65536U);
    EXPECT_EQ(side.connection(), 4096U);
    EXPECT_EQ(side.inode(), 60U);
    ::ipcshim_event raw = raw_event(IPCSHIM_EVENT_RECV_SERV_SOCK);
    raw.token = 5;
    EXPECT_EQ(opened.claim_socket(event(raw)).connection(), 4096U);
    EXPECT_EQ(opened.claim_socket(token{5}).connection(), 4096U);
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_segment(token{5}); }), EINVAL);
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_socket(event(raw_recv_pty())); }), EINVAL);
}

TEST_F(port_service, a_pipe_and_a_pty_are_no_sockets) {
    kernel.on<::ipcshim_claim>(IPCSHIM_CLAIM, [this](int, ::ipcshim_claim& raw) {
        raw.fd = kernel.make_fd();
        raw.end = IPCSHIM_END_RECEIVER;
        raw.mode = IPCSHIM_PIPE_RAW;
        raw.capacity = 65536;
        return 0;
    });
    EXPECT_TRUE(std::holds_alternative<receiver>(opened.claim(token{5})));
    EXPECT_EQ(thrown_errno([&] { (void)opened.claim_socket(token{5}); }), EINVAL);
}

} // namespace
