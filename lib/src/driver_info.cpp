// SPDX-License-Identifier: MIT
#include <ipcshim/driver_info.hpp>

#include <ostream>

namespace ipcshim {

std::uint64_t driver_info::capacity_max() const noexcept {
    return std::uint64_t{raw_.capacity_max} * capacity_unit;
}

driver_limits driver_info::limits() const noexcept {
    return {.ports = raw_.limit_ports,
            .objects = raw_.limit_objects,
            .bytes = raw_.limit_bytes,
            .events = raw_.limit_events,
            .segment_bytes = raw_.limit_segment_bytes,
            .ptys = raw_.limit_ptys,
            .exchanges = raw_.limit_exchanges};
}

driver_usage driver_info::used() const noexcept {
    return {.ports = raw_.used_ports,
            .objects = raw_.used_objects,
            .bytes = raw_.used_bytes,
            .segment_bytes = raw_.used_segment_bytes};
}

driver_totals driver_info::totals() const noexcept {
    return {.ports = raw_.ports,
            .pipes = raw_.pipes,
            .tokens = raw_.tokens,
            .events = raw_.events,
            .ring_bytes = raw_.ring_bytes,
            .segments = raw_.segments,
            .segment_bytes = raw_.segment_bytes,
            .ptys = raw_.ptys,
            .services = raw_.services,
            .connections = raw_.connections,
            .exchanges = raw_.exchanges,
            .messages = raw_.messages,
            .message_bytes = raw_.message_bytes};
}

event_set driver_info::events() const {
    event_set known;
    if (has(IPCSHIM_FEATURE_PIPES)) {
        known.add(event_code::recv_pipe).add(event_code::pipe_closed);
    }
    if (has(IPCSHIM_FEATURE_SEGMENTS)) {
        known.add(event_code::recv_shared_mem).add(event_code::unshared_mem);
    }
    if (has(IPCSHIM_FEATURE_PTYS)) {
        known.add(event_code::recv_pty);
    }
    if (has(IPCSHIM_FEATURE_SOCKETS)) {
        known.add(event_code::recv_serv_sock)
            .add(event_code::recv_sock_msg)
            .add(event_code::serv_sock_closed)
            .add(event_code::service_conn_request)
            .add(event_code::service_client_closed)
            .add(event_code::service_client_quitted)
            .add(event_code::service_server_quitted);
    }
    return known;
}

std::string driver_info::abi_note() const {
    const std::string versions =
        "the loaded module speaks version " + std::to_string(raw_.abi_version) +
        " of the interface, this library version " + std::to_string(IPCSHIM_ABI_VERSION);
    if (raw_.abi_version > IPCSHIM_ABI_VERSION) {
        return versions + ": everything works, but a newer library is needed for what is new";
    }
    if (raw_.abi_version < IPCSHIM_ABI_VERSION) {
        return versions + ": what is new in the library fails until the module that belongs to it "
                          "is loaded";
    }
    return {};
}

std::ostream& operator<<(std::ostream& out, const driver_info& value) {
    const driver_limits limits = value.limits();
    const driver_usage used = value.used();
    const driver_totals totals = value.totals();
    return out << "version: " << value.abi_version() << "\nfeatures: 0x" << std::hex
               << value.features() << std::dec << "\npage size: " << value.page_size()
               << "\nlargest pipe: " << value.capacity_max()
               << "\nlongest message: " << value.message_max() << "\nports: " << used.ports
               << " of " << limits.ports << "\nobjects: " << used.objects << " of "
               << limits.objects << "\nbytes: " << used.bytes << " of " << limits.bytes
               << "\nbytes of segments: " << used.segment_bytes << " of " << limits.segment_bytes
               << "\nevents in a port: at most " << limits.events
               << "\npseudo terminals: " << totals.ptys << " of " << limits.ptys
               << "\nexchanges of a connection: at most " << limits.exchanges
               << "\nin the whole driver: " << totals.ports << " ports, " << totals.pipes
               << " pipes, " << totals.segments << " segments, " << totals.tokens << " tokens, "
               << totals.events << " events, " << totals.ring_bytes << " bytes of rings, "
               << totals.segment_bytes << " bytes of segments, " << totals.services << " services, "
               << totals.connections << " connections, " << totals.exchanges << " exchanges, "
               << totals.messages << " messages of " << totals.message_bytes << " bytes\n";
}

} // namespace ipcshim
