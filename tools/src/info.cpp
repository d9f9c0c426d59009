// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include <ipcshim/port.hpp>

#include "commands.hpp"

namespace ipcshim::tools {

namespace {

nlohmann::ordered_json features_of(const driver_info& found) {
    constexpr std::array<std::pair<std::uint64_t, const char*>, 9> known{{
        {IPCSHIM_FEATURE_EVENTS, "events"},
        {IPCSHIM_FEATURE_PIPES, "pipes"},
        {IPCSHIM_FEATURE_SEGMENTS, "segments"},
        {IPCSHIM_FEATURE_DMABUF, "dmabuf"},
        {IPCSHIM_FEATURE_PTYS, "ptys"},
        {IPCSHIM_FEATURE_SOCKETS, "sockets"},
        {IPCSHIM_FEATURE_MAPPED, "mapped"},
        {IPCSHIM_FEATURE_BATCH, "batch"},
        {IPCSHIM_FEATURE_URING, "uring"},
    }};
    auto names = nlohmann::ordered_json::array();
    for (const auto& [feature, name] : known) {
        if (found.has(feature)) {
            names.emplace_back(name);
        }
    }
    return names;
}

nlohmann::ordered_json to_json(const driver_info& found) {
    const driver_limits limits = found.limits();
    const driver_usage used = found.used();
    const driver_totals totals = found.totals();
    return {
        {"abi_version", found.abi_version()},
        {"library_abi_version", IPCSHIM_ABI_VERSION},
        {"note", found.abi_note()},
        {"features", features_of(found)},
        {"page_size", found.page_size()},
        {"capacity_max", found.capacity_max()},
        {"message_max", found.message_max()},
        {"pipe_buf", found.pipe_buf()},
        {"limits",
         {{"ports", limits.ports},
          {"objects", limits.objects},
          {"bytes", limits.bytes},
          {"events", limits.events},
          {"segment_bytes", limits.segment_bytes},
          {"ptys", limits.ptys},
          {"exchanges", limits.exchanges}}},
        {"used",
         {{"ports", used.ports},
          {"objects", used.objects},
          {"bytes", used.bytes},
          {"segment_bytes", used.segment_bytes}}},
        {"total",
         {{"ports", totals.ports},
          {"pipes", totals.pipes},
          {"tokens", totals.tokens},
          {"events", totals.events},
          {"ring_bytes", totals.ring_bytes},
          {"segments", totals.segments},
          {"segment_bytes", totals.segment_bytes},
          {"ptys", totals.ptys},
          {"services", totals.services},
          {"connections", totals.connections},
          {"exchanges", totals.exchanges},
          {"messages", totals.messages},
          {"message_bytes", totals.message_bytes}}},
    };
}

void print(const driver_info& found) {
    const driver_limits limits = found.limits();
    const driver_usage used = found.used();
    const driver_totals totals = found.totals();
    std::string features;
    for (const auto& name : features_of(found)) {
        features += (features.empty() ? "" : ", ") + name.get<std::string>();
    }
    fmt::print("module\n"
               "  interface version  {} (this program: {})\n"
               "  features           {}\n"
               "  page size          {} bytes\n"
               "  largest pipe       {} bytes\n"
               "  longest message    {} bytes\n",
               found.abi_version(), IPCSHIM_ABI_VERSION, features, found.page_size(),
               found.capacity_max(), found.message_max());
    fmt::print("this user\n"
               "  ports              {} of {}\n"
               "  objects            {} of {} (pipes, segments, ptys, names, connections, tokens)\n"
               "  bytes of pipes     {} of {} (and of ptys, and of messages in sockets)\n"
               "  bytes of segments  {} of {}\n"
               "  events in a port   at most {}\n"
               "  open exchanges     at most {} in a connection\n",
               used.ports, limits.ports, used.objects, limits.objects, used.bytes, limits.bytes,
               used.segment_bytes, limits.segment_bytes, limits.events, limits.exchanges);
    fmt::print("all users\n"
               "  ports              {}\n"
               "  pipes              {}\n"
               "  segments           {}\n"
               "  tokens             {}\n"
               "  events waiting     {}\n"
               "  ring memory        {} bytes\n"
               "  segment memory     {} bytes\n"
               "  pseudo terminals   {} of {}\n"
               "  names published    {}\n"
               "  connections        {}\n"
               "  open exchanges     {}\n"
               "  messages waiting   {} ({} bytes)\n",
               totals.ports, totals.pipes, totals.segments, totals.tokens, totals.events,
               totals.ring_bytes, totals.segment_bytes, totals.ptys, limits.ptys, totals.services,
               totals.connections, totals.exchanges, totals.messages, totals.message_bytes);
    if (const std::string note = found.abi_note(); !note.empty()) {
        fmt::print("note: {}\n", note);
    }
}

} // namespace

int info(const info_options& options) {
    const driver_info found = port::open().query();
    if (options.json) {
        fmt::print("{}\n", to_json(found).dump(2));
    } else {
        print(found);
    }
    return done;
}

} // namespace ipcshim::tools
