#include "orders/order_terms.hpp"

#include <deque>
#include <mutex>
#include <unordered_map>

namespace onetape {

const Symbol::Entry Symbol::none;

Symbol Symbol::of(std::string_view text) {
    static std::mutex mutex;
    static std::deque<Entry> entries;  // a deque: addresses are stable
    static std::unordered_map<std::string_view, const Entry*> by_text;
    if (text.empty()) return {};
    const std::lock_guard lock(mutex);
    const auto found = by_text.find(text);
    if (found != by_text.end()) return Symbol(found->second);
    const Entry& entry = entries.emplace_back(
        Entry{std::string(text), static_cast<std::uint32_t>(entries.size() + 1)});
    by_text.emplace(entry.text, &entry);
    return Symbol(&entry);
}

}  // namespace onetape
