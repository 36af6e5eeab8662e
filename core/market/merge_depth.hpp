#pragma once
// The books of one symbol as several sources have them, into one chain of changes.
//
// A change of a book makes sense in its own source's order only. So one source leads, and its
// changes go on as they came; the books of the others are kept beside it. Another takes the lead
// with a snapshot of its own book, which is not behind what stands, when it is better ranked, or
// when the leader's chain broke or has been silent for `stale_ns`. Where no chain is whole the
// market says so, and begins anew with a snapshot of the first that is.
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
        nothing,   // another leads, or it is older than what stands
        change,    // goes on as it came
        snapshot,  // of the leader's book: who leads is another, or its book was replaced
        lost,      // nobody's chain is whole
    };

    // Who may lead. ranks: by source, the lower, the better. pinned: alone may, nobody: any may.
    struct Terms {
        const std::vector<std::uint32_t>& ranks;
        std::uint32_t pinned;
        std::int64_t stale_ns;
        bool refuses_crossed;
    };

    // What becomes of a frame. time: of it, ns. levels: as Book has them.
    Next take(std::uint32_t source, std::int64_t time, const BookPayload& payload,
              std::uint16_t flags, const BookLevel* levels, const Terms& terms);
    // A frame that was merged before: its source leads.
    void restore(std::uint32_t source, std::int64_t time, const BookPayload& payload,
                 std::uint16_t flags, const BookLevel* levels);

    [[nodiscard]] std::uint32_t leader() const noexcept { return leader_; }
    // What stands; nullptr: nothing does.
    [[nodiscard]] const Book* book() const noexcept {
        return leader_ == nobody ? nullptr : &sources_[leader_].book;
    }
    // Why the last message was not taken at all.
    [[nodiscard]] bool is_crossed() const noexcept { return is_crossed_; }
    [[nodiscard]] bool is_refused() const noexcept { return is_refused_; }
    // The book that stands as a payload with its levels.
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
    std::int64_t event_ = 0;  // of what stands, or stood last
    std::uint64_t id_ = 0;
    bool is_crossed_ = false, is_refused_ = false;
};

}  // namespace onetape
