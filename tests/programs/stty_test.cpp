// SPDX-License-Identifier: MIT
// stty(1): what it shows, and that what it sets is so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "terminal.hpp"

namespace {

using test::control;
using testing::AllOf;
using testing::Contains;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Stty, ShowsTheSizeAndTheSettings) {
    test::shell bash({31, 90});
    EXPECT_THAT(
        bash.run("stty -a"),
        AllOf(Contains(AllOf(StartsWith("speed 38400 baud"), HasSubstr("rows 31; columns 90;"))),
              Contains(StartsWith("intr = ^C; quit = ^\\; erase = ^?; kill = ^U; eof = ^D;")),
              Contains(HasSubstr("susp = ^Z;")), Contains(HasSubstr("-parenb -parodd -cmspar cs8")),
              Contains(HasSubstr("icrnl ixon")), Contains(HasSubstr("opost")),
              Contains(StartsWith("isig icanon iexten echo echoe echok"))));
}

TEST(Stty, ChangesWhatItShowsAndWhatHappens) {
    test::shell bash;
    EXPECT_THAT(bash.run("stty intr ^G -echoctl 9600; stty -a"),
                AllOf(Contains(StartsWith("speed 9600 baud")), Contains(StartsWith("intr = ^G;")),
                      Contains(HasSubstr("-echoctl"))));
    bash.run_in_foreground("sleep 1000", "sleep");
    bash.on().type(control('g'));
    bash.wait_for_prompt();
    EXPECT_THAT(bash.run("echo $?"), ElementsAre("130"));
    EXPECT_THAT(bash.run("stty sane; stty -a"),
                AllOf(Contains(StartsWith("intr = ^C;")), Contains(ContainsRegex("(^| )echoctl"))));
}

TEST(Stty, WithoutEchoNothingOfALineIsShown) {
    test::shell bash;
    bash.enter("stty -echo; echo ready; read -r secret; stty echo; echo ${#secret} letters");
    bash.on().wait_for_row("ready");
    bash.on().type("sesame\r");
    bash.wait_for_prompt();
    EXPECT_THAT(bash.printed(), ElementsAre("ready", "6 letters"));
}

TEST(Stty, RawBytesComeAsTheyAre) {
    const test::folder folder;
    test::shell bash;
    bash.enter("stty raw -echo; printf 'ready\\r\\n'; head -c 6 >" + folder.file("read") +
               "; stty sane");
    bash.on().wait_for_row("ready");
    const std::string bytes = "\x03\x04\x1a\r\x7f\xff";
    bash.on().type(bytes);
    bash.wait_for_prompt();
    EXPECT_EQ(test::content_of(folder.file("read")), bytes);
}

} // namespace
