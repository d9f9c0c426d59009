// SPDX-License-Identifier: MIT
#include <ipcshim/segment_resource.hpp>

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "call.hpp"
#include "sentence.hpp"

namespace ipcshim {

namespace {

// "ipcshim" and a version of the layout.
constexpr std::uint64_t magic = 0x01'6d'69'68'73'63'70'69;

// What is allocated starts at a cache line.
constexpr std::size_t head_size = 64;
static_assert(sizeof(detail::segment_head) <= head_size);

} // namespace

void segment_resource::pools::make(const std::pmr::pool_options& options,
                                   std::pmr::memory_resource& upstream) {
    ::new (place_.data()) pool(options, &upstream);
}

std::pmr::memory_resource& segment_resource::pools::get() noexcept {
    return *std::launder(reinterpret_cast<pool*>(place_.data()));
}

segment_resource::segment_resource(segment&& owned, const resource_parameters& parameters)
    : mapping_(owned.map({.populate = parameters.populate, .address = parameters.address})),
      segment_(std::move(owned)) {
    arrange(parameters);
}

segment_resource::segment_resource(const port& maker, std::size_t bytes,
                                   const resource_parameters& parameters)
    : segment_resource(maker.create_segment(bytes), parameters) {}

segment_resource::~segment_resource() = default;

void segment_resource::arrange(const resource_parameters& parameters) {
    const detail::segment_head head{
        .magic = magic, .address = mapping_.address(), .root_offset = 0, .root_size = 0};
    std::memcpy(mapping_.bytes().data(), &head, sizeof(head));
    const std::span<std::byte> rest = mapping_.bytes().subspan(head_size);
    pieces_.emplace(rest.data(), rest.size(), std::pmr::null_memory_resource());
    arranged_ = &*pieces_;
    if (parameters.arrangement == arrangement::pool) {
        pools_.make(parameters.pools, *pieces_);
        arranged_ = &pools_.get();
    }
}

void* segment_resource::do_allocate(std::size_t bytes, std::size_t alignment) {
    if (arranged_ == nullptr) {
        throw std::bad_alloc();
    }
    return arranged_->allocate(bytes, alignment);
}

void segment_resource::do_deallocate(void* what, std::size_t bytes, std::size_t alignment) {
    if (arranged_ != nullptr) {
        arranged_->deallocate(what, bytes, alignment);
    }
}

std::size_t segment_resource::offset_of(const void* what) const {
    const auto start = mapping_.address();
    const auto place = reinterpret_cast<std::uintptr_t>(what);
    if (place < start || place - start >= mapping_.size()) {
        throw std::out_of_range("this does not lie in the segment of " +
                                std::to_string(mapping_.size()) +
                                " bytes; allocate it with the segment's resource");
    }
    return place - start;
}

void segment_resource::set_root(const void* made, std::size_t size) {
    auto& head = mapping_.at<detail::segment_head>();
    head.root_offset = offset_of(made);
    head.root_size = size;
}

void segment_resource::empty() noexcept {
    arranged_ = nullptr;
    mapping_.close();
}

segment segment_resource::release() noexcept {
    empty();
    return std::move(segment_);
}

shared_grant segment_resource::hand_over(pid_t pid, rights granted,
                                         const share_parameters& parameters) && {
    const shared_grant result = std::move(segment_).hand_over(pid, granted, parameters);
    empty();
    return result;
}

shared_grant segment_resource::hand_over(pid_t pid, rights granted,
                                         const share_parameters& parameters,
                                         std::error_code& error) && noexcept {
    const shared_grant result = std::move(segment_).hand_over(pid, granted, parameters, error);
    if (!error) {
        empty();
    }
    return result;
}

shared_grant segment_resource::lend(pid_t pid, rights granted, deadline until,
                                    const share_parameters& parameters) && {
    const shared_grant result = std::move(segment_).lend(pid, granted, until, parameters);
    empty();
    return result;
}

shared_grant segment_resource::lend(pid_t pid, rights granted, deadline until,
                                    const share_parameters& parameters,
                                    std::error_code& error) && noexcept {
    const shared_grant result = std::move(segment_).lend(pid, granted, until, parameters, error);
    if (!error) {
        empty();
    }
    return result;
}

namespace detail {

namespace {

bool is_sound(const segment_head& head, std::size_t whole, std::size_t size,
              std::size_t alignment) noexcept {
    return head.magic == magic && head.address != 0 && head.root_size == size &&
           head.root_offset >= head_size && head.root_offset <= whole &&
           size <= whole - head.root_offset && (head.address + head.root_offset) % alignment == 0;
}

} // namespace

found_root find_root(const segment& from, std::size_t size, std::size_t alignment) {
    segment_head head{};
    // Once, since another process may write to it.
    from.map_const({.length = head_size}).copy_out(0, std::as_writable_bytes(std::span(&head, 1)));
    if (!is_sound(head, from.size(), size, alignment)) {
        check(code_of(EPROTO), attempt::find_root,
              std::to_string(size) + " bytes in segment " + std::to_string(from.inode()));
    }
    return {.all = from.map_const({.address = static_cast<std::uintptr_t>(head.address)}),
            .offset = static_cast<std::size_t>(head.root_offset)};
}

} // namespace detail

} // namespace ipcshim
