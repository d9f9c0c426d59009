// SPDX-License-Identifier: MIT
#include "sentence.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "fake_kernel.hpp"

namespace {

using namespace ipcshim;
using detail::attempt;
using detail::sentence;

// Every error that the contract names for each call.
struct known {
    attempt what;
    std::initializer_list<int> errors;
};

TEST(sentence, every_error_of_the_contract_has_a_reason_and_an_advice) {
    const std::initializer_list<known> contract{
        {attempt::open_device, {ENOENT, ENXIO, ENODEV, EACCES, EDQUOT, EMFILE, ENFILE, ENOMEM}},
        {attempt::handle, {EBUSY, EINVAL, ESRCH, EPERM}},
        {attempt::unhandle, {ENOENT, EPERM, EINVAL}},
        {attempt::is_handled, {ESRCH, EPERM}},
        {attempt::ready, {EALREADY, EPERM}},
        {attempt::set_access, {EPERM}},
        {attempt::read_events, {EINTR, EPROTO, EFAULT}},
        {attempt::claim, {ENOENT, EPERM, EMFILE, ESTALE, EINVAL, EPROTO, EIO, EBUSY}},
        {attempt::open_pipe, {ESRCH, EPERM, ECONNREFUSED, EAGAIN, EDQUOT, EMFILE, ENOMEM, EINVAL}},
        {attempt::send_pipe, {ESRCH, EPERM, ECONNREFUSED, EAGAIN, EPIPE, EDQUOT, EINVAL}},
        {attempt::write, {EPIPE, EMSGSIZE, EINTR, EINVAL, EFAULT}},
        {attempt::read, {EMSGSIZE, EINTR, EINVAL, EFAULT}},
        {attempt::close_pipe, {EPIPE}},
        {attempt::create_segment, {EINVAL, ENOMEM, EDQUOT, EMFILE, ENFILE}},
        {attempt::adopt_memory,
         {EINVAL, ENOMEM, EACCES, ENODEV, EALREADY, EOPNOTSUPP, EBUSY, ENXIO, ENOTRECOVERABLE,
          EDQUOT, EMFILE}},
        {attempt::segment_info, {ESTALE}},
        {attempt::map, {ESTALE, EACCES, EINVAL, ENXIO, EEXIST, ENOMEM}},
        {attempt::map_executable, {ESTALE, EACCES, EINVAL, ENXIO, EEXIST, ENOMEM}},
        {attempt::copy_memory, {ESTALE, EINVAL, ENOSYS, ENOMEM}},
        {attempt::share,
         {ESTALE, EINVAL, EACCES, EPERM, EEXIST, ESRCH, ECONNREFUSED, EAGAIN, EDQUOT}},
        {attempt::hand_over,
         {ESTALE, EINVAL, EACCES, EPERM, EBUSY, ESRCH, ECONNREFUSED, EAGAIN, EDQUOT}},
        {attempt::lend,
         {ESTALE, EINVAL, EACCES, EPERM, EBUSY, ETIMEDOUT, ESRCH, ECONNREFUSED, EAGAIN, EDQUOT}},
        {attempt::give_back, {ESTALE, EINVAL, EBUSY}},
        {attempt::unshare, {ESTALE, EINVAL, EPERM, ESRCH, ENOENT}},
        {attempt::export_dmabuf, {ESTALE, EPERM, EACCES, EOPNOTSUPP, ENOMEM, EMFILE}},
        {attempt::find_root, {EPROTO}},
        {attempt::open_pty, {ENOSPC, EDQUOT, ENOTTY, ENOMEM, EMFILE, ENFILE}},
        {attempt::read_pty, {EAGAIN, EINTR}},
        {attempt::write_pty, {EAGAIN, EINTR}},
        {attempt::publish, {EADDRINUSE, EINVAL, ENAMETOOLONG, EPERM, EDQUOT, ENOMEM}},
        {attempt::withdraw, {ENOENT, EPERM, EBADF}},
        {attempt::connect,
         {ENOENT, EPERM, EAGAIN, EMSGSIZE, ECONNREFUSED, ECONNRESET, ETIMEDOUT, EINVAL,
          ENAMETOOLONG, EINTR, EDQUOT, EMFILE, ENFILE, ENOMEM}},
        {attempt::accept, {ENOENT, EPERM, EINVAL, EMFILE, ENFILE}},
        {attempt::reject, {ENOENT, EPERM, EINVAL}},
        {attempt::has_service, {EPERM, EINVAL, ENAMETOOLONG}},
        {attempt::open_socket, {ESRCH, EPERM, ECONNREFUSED, EAGAIN, EINVAL, EDQUOT, EMFILE}},
        {attempt::send_message,
         {EMSGSIZE, EAGAIN, ENOBUFS, EPIPE, ECONNRESET, ETIMEDOUT, EINTR, EDQUOT, EBADF, EOPNOTSUPP,
          EINVAL, ESTALE, EACCES, EPERM, EBUSY, ELOOP, ENOMEM, EFAULT}},
        {attempt::answer_message,
         {ENOENT, EBUSY, ESHUTDOWN, EMSGSIZE, EAGAIN, EPIPE, ECONNRESET, EDQUOT, ELOOP, ESTALE}},
        {attempt::read_message,
         {EAGAIN, ENOENT, ESHUTDOWN, EBUSY, EPIPE, ECONNRESET, ETIMEDOUT, EINTR, EFAULT, EMFILE,
          ENFILE, ENOMEM, EDQUOT}},
        {attempt::call_method,
         {EMSGSIZE, ENOBUFS, EPIPE, ECONNRESET, ETIMEDOUT, EINTR, EMFILE, ENFILE, EDQUOT, EINVAL}},
        {attempt::end_connection, {EPERM, EINVAL, EPIPE, ECONNRESET}},
        {attempt::close_socket, {EINVAL, EPIPE, ECONNRESET}},
        {attempt::run_service, {EAGAIN, EMFILE, ENFILE, ENOMEM}},
        {attempt::run_client, {EMFILE, ENFILE, ENOMEM}},
        {attempt::window_size, {EIO}},
        {attempt::resize, {EIO}},
        {attempt::signal_foreground, {EINVAL}},
        {attempt::open_slave, {EIO, EBUSY, EMFILE, ENFILE, ENOMEM}},
        {attempt::send_pty, {ESRCH, EPERM, ECONNREFUSED, EAGAIN, EDQUOT, EINVAL}},
        {attempt::spawn_process, {EAGAIN, ENOMEM, EMFILE, ENFILE}},
        {attempt::spawn_terminal, {EPERM, EIO}},
        {attempt::spawn_directory, {ENOENT, ENOTDIR, EACCES}},
        {attempt::spawn_program,
         {EINVAL, ENOENT, ENOTDIR, EACCES, EPERM, ENOEXEC, ETXTBSY, E2BIG, ENOMEM}},
        {attempt::wait_child, {ECHILD, EINTR}},
        {attempt::kill_child, {ESRCH, EPERM, EINVAL}},
    };
    for (const known& each : contract) {
        for (const int error : each.errors) {
            const std::string text = sentence(each.what, error, "it");
            EXPECT_TRUE(text.starts_with("cannot ")) << text;
            EXPECT_NE(text.find(": "), std::string::npos)
                << "no reason for errno " << error << ": " << text;
        }
    }
}

TEST(sentence, names_what_it_was_done_to) {
    EXPECT_TRUE(sentence(attempt::open_pipe, ESRCH, "process 12")
                    .starts_with("cannot open a pipe to process 12: there is no such process"));
    EXPECT_TRUE(sentence(attempt::is_handled, EPERM, "process 12")
                    .starts_with("cannot ask whether process 12 handles an event: "));
}

TEST(sentence, an_error_that_nobody_foresaw_still_says_what_was_tried) {
    EXPECT_EQ(sentence(attempt::claim, EXDEV, "token 1"), "cannot claim token 1");
}

TEST(sentence, eperm_of_another_user_and_of_an_inherited_port_differ) {
    EXPECT_NE(sentence(attempt::open_pipe, EPERM, "x").find("run as its user"), std::string::npos);
    EXPECT_NE(sentence(attempt::claim, EPERM, "x").find("inherited"), std::string::npos);
}

TEST(sentence, eperm_of_a_segment_is_about_its_owner) {
    for (const attempt each : {attempt::share, attempt::hand_over, attempt::lend, attempt::unshare,
                               attempt::export_dmabuf}) {
        EXPECT_NE(sentence(each, EPERM, "x").find("owner"), std::string::npos);
    }
}

TEST(sentence, lending_has_words_of_its_own_where_the_lender_is_meant_too) {
    EXPECT_NE(sentence(attempt::lend, ECONNREFUSED, "x"),
              sentence(attempt::share, ECONNREFUSED, "x"));
    EXPECT_NE(sentence(attempt::lend, ECONNREFUSED, "x").find("this process itself"),
              std::string::npos);
}

TEST(sentence, a_read_that_is_too_small_says_what_it_needs) {
    ::ipcshim_pipe_io raw{};
    raw.remains = 500;
    raw.cause = IPCSHIM_CAUSE_TOO_LONG;
    const std::string text = sentence(attempt::read, EMSGSIZE, "10 bytes", io_result(raw, 10));
    EXPECT_NE(text.find("it needs 500 bytes"), std::string::npos) << text;
}

TEST(sentence, a_lock_without_a_visible_holder_is_somebody) {
    ::ipcshim_pipe_io raw{};
    raw.cause = IPCSHIM_CAUSE_LOCKED;
    const std::string text = sentence(attempt::read, EAGAIN, "10 bytes", io_result(raw, 10));
    EXPECT_NE(text.find("somebody is reading"), std::string::npos) << text;
}

TEST(sentence, check_throws_only_for_an_error) {
    EXPECT_NO_THROW(detail::check({}, attempt::ready, {}));
    EXPECT_THROW(detail::check(detail::code_of(EALREADY), attempt::ready, {}), std::system_error);
}

TEST(sentence, a_closed_object_is_a_logic_error_that_says_which) {
    try {
        detail::used_closed("port");
    } catch (const std::logic_error& error) {
        EXPECT_TRUE(std::string(error.what()).starts_with("a closed port was used"));
    }
}

} // namespace
