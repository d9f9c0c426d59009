// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>

/// The three processes of the image pipeline.  A frame lies in a segment that
/// is handed over, not copied: source, filter, sink, and back to the source,
/// which draws the next one into it.  As the other roles they say in lines of
/// JSON what they did.

namespace demo {

/// So many segments go round.
inline constexpr std::uint32_t ring_length = 4;

/// Draws frames, hands each to the filter, and takes back the segments that the
/// sink is done with.  Then it lends the filter one more, twice: once it is
/// given back, once its time is over.
/// Says returned {number, how, sha256}; taken {how, writes, late}; done {passed,
/// sigbus, stale}.
void run_source(pid_t filter, std::uint32_t frames);

/// Blurs each frame where it lies and hands it to the sink.  A frame that is
/// lent it blurs and gives back; the other one it writes into until it can't.
/// Says ready; done {passed, sigbus, stale, returned_sigbus, writes, lease}.
void run_filter(pid_t sink, std::uint32_t frames);

/// Computes each frame's checksum and hands its segment back to the source.
/// Says ready; frame {number, bytes, sha256}; done {passed, sigbus, stale,
/// seconds}.
void run_sink(std::uint32_t frames);

} // namespace demo
