#include "accounts/booked.hpp"

#include <algorithm>
#include <functional>

namespace onetape {
namespace {

// By time alone: the heap does not depend on where names are stored.
constexpr auto is_later = [](const auto& one, const auto& other) {
    return one.first > other.first;
};

}  // namespace

void Booked::add(std::string_view name, std::int64_t time) {
    if (times_.size() == names_few && names_max_ > names_few) times_.reserve(names_max_ + 1);
    const auto [at, is_new] = times_.emplace(name, time);
    if (!is_new) return;
    if (in_order_.empty() || time >= in_order_.back().first) {
        in_order_.emplace_back(time, &at->first);
    } else {
        late_.emplace_back(time, &at->first);
        std::push_heap(late_.begin(), late_.end(), is_later);
    }
    newest_ = std::max(newest_, time);
    for (std::size_t left = drops_max; left > 0 && times_.size() > names_max_; --left) {
        const bool is_late =
            in_order_.empty() || (!late_.empty() && late_.front().first < in_order_.front().first);
        const auto [gone, text] = is_late ? late_.front() : in_order_.front();
        // Names of equal time are equally old: none is dropped before a newer one arrives.
        if (gone == newest_) return;
        if (is_late) {
            std::pop_heap(late_.begin(), late_.end(), is_later);
            late_.pop_back();
        } else {
            in_order_.pop_front();
        }
        complete_ = std::max(complete_, gone + 1);
        times_.erase(times_.find(*text));
    }
}

std::vector<std::pair<std::string_view, std::int64_t>> Booked::rows() const {
    std::vector<std::pair<std::string_view, std::int64_t>> found;
    found.reserve(times_.size());
    for (const auto& [name, time] : times_) found.emplace_back(name, time);
    std::sort(found.begin(), found.end(), [](const auto& one, const auto& other) {
        return std::pair(one.second, one.first) < std::pair(other.second, other.first);
    });
    return found;
}

}  // namespace onetape
