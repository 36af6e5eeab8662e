#pragma once
// Merges the books of one symbol from several sources into one chain of changes.
//
// Book changes only make sense in their own source's order. So one source leads, and its changes
// are passed on; the books of the others are maintained in parallel. Another source takes the lead
// with a snapshot of its own book, which is not behind the present one, if it is better ranked, or
// if the leader's chain broke or has been silent for `stale_ns`. While no chain is whole the market
// is flagged so, and resumes with a snapshot of the first whole one.
#include <cstdint>
#include <vector>

#include "journal/events.hpp"
#include "market/book.hpp"

namespace onetape {

class MergeDepth {
 public:
    static constexpr std::uint32_t nobody = ~std::uint32_t{0};
    static constexpr std::size_t levels_max = 5000;  // of a side, in a snapshot

    enum class Next : std::uint8_t {
        nothing,   // another leads, or it is older than the present book
        change,    // passed on
        snapshot,  // of the leader's book: the leader changed, or its book was replaced
        lost,      // no source's chain is whole
    };

    // Which sources may lead. ranks: by source, the lower, the better. pinned: the only one that
    // may, none: any.
    struct Terms {
        const std::vector<std::uint32_t>& ranks;
        std::uint32_t pinned;
        std::int64_t stale_ns;
        bool refuses_crossed;
    };

    // Decides what to do with a frame. time: of it, ns. levels: as in Book.
    Next take(std::uint32_t source, std::int64_t time, const BookPayload& payload,
              std::uint16_t flags, const BookLevel* levels, const Terms& terms);
    // Restores a merged frame: its source leads.
    void restore(std::uint32_t source, std::int64_t time, const BookPayload& payload,
                 std::uint16_t flags, const BookLevel* levels);

    [[nodiscard]] std::uint32_t leader() const noexcept { return leader_; }
    // The present book; nullptr: none.
    [[nodiscard]] const Book* book() const noexcept {
        return leader_ == nobody ? nullptr : &sources_[leader_].book;
    }
    // Reason for which the last message was not taken at all.
    [[nodiscard]] bool is_crossed() const noexcept { return is_crossed_; }
    [[nodiscard]] bool is_refused() const noexcept { return is_refused_; }
    // Makes a payload with levels from the present book.
    void snapshot(std::int64_t received, std::vector<std::byte>& bytes) const;

 private:
    struct Own {
        Book book;
        std::int64_t heard = 0;  // ns, of its last frame
    };
    Own& own(std::uint32_t source);
    [[nodiscard]] bool may_lead(std::uint32_t source, const Terms& terms) const noexcept;
    void stand(const Book& book) noexcept;
    [[nodiscard]] std::uint32_t best(const Terms& terms) const noexcept;

    std::vector<Own> sources_;
    std::uint32_t leader_ = nobody;
    bool has_stood_ = false;
    std::int64_t event_ = 0;  // of the present or last book
    std::uint64_t id_ = 0;
    bool is_crossed_ = false, is_refused_ = false;
};

}  // namespace onetape
