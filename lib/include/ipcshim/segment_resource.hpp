// SPDX-License-Identifier: MIT
#ifndef IPCSHIM_SEGMENT_RESOURCE_HPP
#define IPCSHIM_SEGMENT_RESOURCE_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include <ipcshim/detail/export.hpp>
#include <ipcshim/mapping.hpp>
#include <ipcshim/port.hpp>
#include <ipcshim/segment.hpp>
#include <ipcshim/types.hpp>

/// \file
/// Containers that are born shareable: segment_resource is a
/// std::pmr::memory_resource over one segment, so that what a container holds
/// lies in the segment from its first byte, and is shared or handed over
/// without a copy.
///
/// Two ways to find it on the other side:
///
/// - by offset, for plain values (numbers, structures without pointers): tell
///   the other process offset_of(container.data()), which maps the segment
///   anywhere and views the values with mapping::as().
/// - by root, for whole containers: make_root() makes one that lies in the
///   segment itself, segment_root finds it there. Containers are full of
///   pointers, so the segment must lie at the same address there; segment_root
///   sees to that. Both programs must be built alike, since the layout of
///   containers is the compiler's. It is read there, never changed or
///   destroyed: to allocate needs the resource, which is in the first process.
///
/// Pointers that another process can write are as trustworthy as that process.
/// So share such a segment to read, or hand it over, and take roots only from
/// who is trusted with more than data.

namespace ipcshim {

/// How the memory of a segment is given out.
enum class arrangement {
    /// One piece after another; what is given back is not used again. The
    /// fastest, for what is filled once and handed over.
    /// (std::pmr::monotonic_buffer_resource.)
    monotonic,
    /// What is given back is used again, in pools by size.
    /// (std::pmr::unsynchronized_pool_resource.)
    pool,
};

/// What a segment_resource is to be like.
struct resource_parameters final {
    ipcshim::arrangement arrangement = arrangement::monotonic;
    std::pmr::pool_options pools{}; ///< of arrangement::pool
    bool populate = false;          ///< allocate every page now
    /// The address that the segment must lie at, whole pages; 0: anywhere. With
    /// roots, one that is free in every process.
    std::uintptr_t address = 0;
};

namespace detail {

// The start of a segment that a segment_resource fills.
struct segment_head final {
    std::uint64_t magic;
    std::uint64_t address;     // where it is mapped
    std::uint64_t root_offset; // 0: no root
    std::uint64_t root_size;
};

} // namespace detail

/// Memory for containers, in a segment. Owns the segment and its mapping; not
/// movable, because containers point to it.
///
/// Destroy the containers before it, or not at all: a root is never destroyed,
/// its memory goes with the segment. What must run a destructor for other
/// reasons (files, locks) does not belong here.
///
/// A resource over a segment that is lent to this process, or shared as mutual,
/// raises SIGBUS in its containers once the segment is taken back, see
/// mapping.hpp.
///
/// Errors: allocation throws std::bad_alloc when the segment is full, or was
/// released. Threads: one at a time, like the resources it is made of.
class IPCSHIM_API segment_resource final : public std::pmr::memory_resource {
public:
    /// Over a segment that may be written, from its start. Consumes the
    /// segment if it succeeds.
    /// Errors: as segment::map(); std::logic_error it is closed.
    explicit segment_resource(segment&& owned, const resource_parameters& parameters = {});
    /// Over a new segment.
    /// \param bytes for the containers and for what it takes to keep them;
    ///        rounded up to whole pages
    /// Errors: as port::create_segment() and segment::map().
    segment_resource(const port& maker, std::size_t bytes,
                     const resource_parameters& parameters = {});
    segment_resource(const segment_resource&) = delete;
    segment_resource(segment_resource&&) = delete;
    segment_resource& operator=(const segment_resource&) = delete;
    segment_resource& operator=(segment_resource&&) = delete;
    ~segment_resource() override;

    /// The segment, to share it while it is filled.
    [[nodiscard]] const segment& shared() const noexcept { return segment_; }
    /// All of it.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return mapping_.bytes(); }

    /// Where something that lies in the segment starts, in bytes from the
    /// segment's start.
    /// \throws std::out_of_range it does not lie there
    [[nodiscard]] std::size_t offset_of(const void* what) const;

    /// Makes the one object that segment_root finds, in the segment. Containers
    /// get this resource as their allocator. A second call makes a new one, and
    /// the first stays where it is, unfound.
    template <typename T, typename... Arguments> T& make_root(Arguments&&... arguments) {
        T* const made = std::pmr::polymorphic_allocator<>(this).template new_object<T>(
            std::forward<Arguments>(arguments)...);
        set_root(made, sizeof(T));
        return *made;
    }

    /// Unmaps the segment and gives it away. The resource is empty then:
    /// allocation throws std::bad_alloc.
    [[nodiscard]] segment release() noexcept;

    /// segment::hand_over() and segment::lend() of the segment, and this
    /// resource is empty then. When they fail it can be used on.
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    shared_grant hand_over(pid_t pid, rights granted, const share_parameters& parameters = {}) &&;
    shared_grant hand_over(pid_t pid, rights granted, const share_parameters& parameters,
                           std::error_code& error) && noexcept;
    // NOLINTNEXTLINE(modernize-use-nodiscard)
    shared_grant lend(pid_t pid, rights granted, deadline until = no_deadline,
                      const share_parameters& parameters = {}) &&;
    shared_grant lend(pid_t pid, rights granted, deadline until, const share_parameters& parameters,
                      std::error_code& error) && noexcept;

private:
    // Never destroyed: what it would free lies in the segment, which may be
    // gone by then.
    class pools final {
    public:
        void make(const std::pmr::pool_options& options, std::pmr::memory_resource& upstream);
        [[nodiscard]] std::pmr::memory_resource& get() noexcept;

    private:
        using pool = std::pmr::unsynchronized_pool_resource;
        alignas(pool) std::array<std::byte, sizeof(pool)> place_{};
    };

    void* do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void* what, std::size_t bytes, std::size_t alignment) override;
    [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
        return this == &other;
    }
    void arrange(const resource_parameters& parameters);
    void set_root(const void* made, std::size_t size);
    void empty() noexcept;

    mapping mapping_;
    segment segment_; // behind it: only a segment that could be mapped is taken
    std::optional<std::pmr::monotonic_buffer_resource> pieces_;
    pools pools_;
    std::pmr::memory_resource* arranged_ = nullptr; // one of the two, null: released
};

namespace detail {

/// Maps a segment where its maker had it and finds the root. Not to be named by
/// programs.
struct IPCSHIM_API found_root final {
    const_mapping all;
    std::size_t offset = 0;
};
[[nodiscard]] IPCSHIM_API found_root find_root(const segment& from, std::size_t size,
                                               std::size_t alignment);

} // namespace detail

/// What make_root() made, in another process: read-only, mapped at the address
/// that it was made at. Move-only; unmaps it.
///
/// \tparam T the very type that it was made as: only its size is checked
///
/// Errors of the constructor: as segment::map_const(); EEXIST something lies at
/// that address in this process: give the resource another one,
/// resource_parameters::address; EPROTO no segment_resource made this segment,
/// or no root of that size.
template <typename T> class segment_root final {
public:
    explicit segment_root(const segment& from)
        : found_(detail::find_root(from, sizeof(T), alignof(T))) {}

    [[nodiscard]] const T& get() const noexcept {
        return *reinterpret_cast<const T*>(found_.all.bytes().data() + found_.offset);
    }
    [[nodiscard]] const T& operator*() const noexcept { return get(); }
    [[nodiscard]] const T* operator->() const noexcept { return &get(); }

private:
    detail::found_root found_;
};

} // namespace ipcshim

#endif
