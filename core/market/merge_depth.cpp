#include "market/merge_depth.hpp"

#include <algorithm>
#include <cstring>

#include "journal/frame.hpp"
#include "market/delay_floor.hpp"

namespace onetape {

namespace {

// By the venue's time; with equal times, or without a time, by its sequence.
[[nodiscard]] bool is_older(std::int64_t event, std::uint64_t id, std::int64_t held_event,
                            std::uint64_t held_id) noexcept {
    if (event != 0 && held_event != 0 && event != held_event) return event < held_event;
    return id != 0 && id < held_id;
}

}  // namespace

MergeDepth::Own& MergeDepth::own(std::uint32_t source) {
    if (source >= sources_.size()) sources_.resize(source + std::size_t{1});
    return sources_[source];
}

// Its chain is whole, and its book is not older than the present one.
bool MergeDepth::may_lead(std::uint32_t source, const Terms& terms) const noexcept {
    if (terms.pinned != nobody && terms.pinned != source) return false;
    const Book& book = sources_[source].book;
    if (!book.synced()) return false;
    return !has_stood_ || !is_older(book.ts_event(), book.last_id(), event_, id_);
}

std::uint32_t MergeDepth::best(const Terms& terms) const noexcept {
    std::uint32_t found = nobody;
    for (std::uint32_t each = 0; each < sources_.size(); ++each) {
        if (!may_lead(each, terms)) continue;
        if (found == nobody || terms.ranks[each] < terms.ranks[found]) found = each;
    }
    return found;
}

void MergeDepth::stand(const Book& book) noexcept {
    has_stood_ = true;
    event_ = book.ts_event();
    id_ = book.last_id();
}

MergeDepth::Next MergeDepth::take(std::uint32_t source, std::int64_t time,
                                  const BookPayload& payload, std::uint16_t flags,
                                  const BookLevel* levels, const Terms& terms) {
    Own& its = own(source);
    its.heard = time;
    is_refused_ = is_crossed_ = false;
    // A restart reads this frame again: the chain is further by now.
    if ((flags & flag_snapshot) != 0 && its.book.synced() &&
        is_older(payload.ts_event, payload.last_id, its.book.ts_event(), its.book.last_id()))
        return Next::nothing;
    const BookChange change = its.book.apply(payload, flags, levels);
    is_refused_ = change.outcome == BookOutcome::refused;
    is_crossed_ = terms.refuses_crossed && its.book.synced() && its.book.crossed();
    if (is_crossed_) its.book.desync();
    if (source == leader_) {
        const bool is_barred = terms.pinned != nobody && terms.pinned != source;
        if (its.book.synced() && !is_barred) {
            if (change.outcome == BookOutcome::stale) return Next::nothing;
            stand(its.book);
            return change.outcome == BookOutcome::applied ? Next::change : Next::snapshot;
        }
        const std::uint32_t next = best(terms);
        if (next == nobody && its.book.synced()) {  // until the pinned source has a book
            stand(its.book);
            return change.outcome == BookOutcome::applied ? Next::change : Next::snapshot;
        }
        leader_ = next;
        if (leader_ == nobody) return Next::lost;
        stand(sources_[leader_].book);
        return Next::snapshot;
    }
    if (!may_lead(source, terms)) return Next::nothing;
    const bool takes_over = leader_ == nobody || terms.pinned == source ||
                            terms.ranks[source] < terms.ranks[leader_] ||
                            difference(time, sources_[leader_].heard) > terms.stale_ns;
    if (!takes_over) return Next::nothing;
    leader_ = source;
    stand(its.book);
    return Next::snapshot;
}

void MergeDepth::restore(std::uint32_t source, std::int64_t time, const BookPayload& payload,
                         std::uint16_t flags, const BookLevel* levels) {
    Own& its = own(source);
    its.heard = time;
    its.book.apply(payload, flags, levels);
    leader_ = its.book.synced() ? source : nobody;
    if (leader_ != nobody) stand(its.book);
}

void MergeDepth::snapshot(std::int64_t received, std::vector<std::byte>& bytes) const {
    const Book& book = sources_[leader_].book;
    const std::size_t bids = std::min(book.bid_count(), levels_max);
    const std::size_t asks = std::min(book.ask_count(), levels_max);
    BookPayload head{};
    head.ts_event = book.ts_event();
    head.ts_recv = received;
    head.last_id = book.last_id();
    head.bid_count = static_cast<std::uint32_t>(bids);
    head.ask_count = static_cast<std::uint32_t>(asks);
    bytes.resize(sizeof head + (bids + asks) * sizeof(BookLevel));
    std::memcpy(bytes.data(), &head, sizeof head);
    std::byte* at = bytes.data() + sizeof head;
    const auto put = [&at](const BookLevel& level) {
        std::memcpy(at, &level, sizeof level);
        at += sizeof level;
    };
    for (std::size_t n = 0; n < bids; ++n) put(book.bid(n));
    for (std::size_t n = 0; n < asks; ++n) put(book.ask(n));
}

}  // namespace onetape
