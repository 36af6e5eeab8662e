#pragma once
// Receives decoded market events: keeps frame times ascending, counts them, passes them on.
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.hpp"
#include "journal/events.hpp"
#include "journal/frame.hpp"
#include "journal/packed_map.hpp"
#include "market/tick_filter.hpp"

namespace onetape {

struct EventCounts {
    std::vector<std::array<std::uint64_t, event_type_count + 1>> by_stream;  // [stream][type]
    std::int64_t first_time = 0, last_time = 0;
    std::uint64_t events = 0;
    std::uint64_t late = 0;     // frames whose own time was before that of the frame before
    std::uint64_t crossed = 0;  // quotes with bid above ask: kept
};

class EventSink {
 public:
    virtual ~EventSink() = default;

    // `time` may be before the last one: the frame then gets the last time and flag_late.
    Status emit(EventType type, std::uint16_t flags, std::uint32_t stream, std::int64_t time,
                const void* payload, std::uint32_t payload_bytes) {
        if (filter_ != nullptr) [[unlikely]] {
            const TickRule rule = judge(type, stream, time, payload);
            for (const HeldTrade& each : released_) {
                const Status status =
                    put(EventType::trade, flag_late, stream, time, &each.trade, sizeof each.trade);
                if (status != Status::ok) return status;
            }
            if (rule != TickRule::none) return quarantine(rule, type, stream, time, payload);
        }
        return put(type, flags, stream, time, payload, payload_bytes);
    }

    // Withholds bad ticks from now on; `health` frames record their content.
    void use_filter() { filter_ = std::make_unique<TickFilter>(TickFilterOptions{}); }
    [[nodiscard]] const TickFilter* filter() const noexcept { return filter_.get(); }

    void count_crossed() noexcept { ++counts_.crossed; }
    [[nodiscard]] const EventCounts& counts() const noexcept { return counts_; }

 protected:
    virtual Status write(EventType type, std::uint16_t flags, std::uint32_t stream,
                         std::int64_t time, const void* payload, std::uint32_t payload_bytes) = 0;

 private:
    Status put(EventType type, std::uint16_t flags, std::uint32_t stream, std::int64_t time,
               const void* payload, std::uint32_t payload_bytes) {
        if (time < counts_.last_time && counts_.events != 0) {
            time = counts_.last_time;
            flags = static_cast<std::uint16_t>(flags | flag_late);
            ++counts_.late;
        }
        const Status status = write(type, flags, stream, time, payload, payload_bytes);
        if (status != Status::ok) return status;
        if (counts_.events++ == 0) counts_.first_time = time;
        counts_.last_time = time;
        if (stream >= counts_.by_stream.size()) counts_.by_stream.resize(stream + 1);
        ++counts_.by_stream[stream][static_cast<std::size_t>(type)];
        return Status::ok;
    }

    TickRule judge(EventType type, std::uint32_t stream, std::int64_t time, const void* payload) {
        released_.clear();
        TickRule rule = TickRule::none;
        if (type == EventType::quote)
            rule = filter_->on_quote(0, stream, time, *static_cast<const QuotePayload*>(payload));
        else if (type == EventType::trade)
            rule = filter_->on_trade(0, stream, time, *static_cast<const TradePayload*>(payload));
        else if (type == EventType::mark)
            rule = filter_->on_mark(0, stream, *static_cast<const MarkPayload*>(payload));
        else
            return rule;
        released_.assign(filter_->released().begin(), filter_->released().end());
        return rule;
    }

    // Writes a bad tick to a `health` frame, the only record of its content: prices and sizes in
    // units of the instrument.
    Status quarantine(TickRule rule, EventType type, std::uint32_t stream, std::int64_t time,
                      const void* payload) {
        const std::string state(tick_rule_names[static_cast<std::size_t>(rule)]);
        std::string said;
        if (type == EventType::quote) {
            const auto& quote = *static_cast<const QuotePayload*>(payload);
            said = packed_map({{"kind", "quarantine"},
                               {"state", state},
                               {"event", "quote"},
                               {"ts_event", std::to_string(quote.ts_event)},
                               {"bid", std::to_string(quote.bid)},
                               {"ask", std::to_string(quote.ask)},
                               {"bid_size", std::to_string(quote.bid_size)},
                               {"ask_size", std::to_string(quote.ask_size)}});
        } else if (type == EventType::trade) {
            const auto& trade = *static_cast<const TradePayload*>(payload);
            said = packed_map({{"kind", "quarantine"},
                               {"state", state},
                               {"event", "trade"},
                               {"ts_event", std::to_string(trade.ts_event)},
                               {"price", std::to_string(trade.price)},
                               {"size", std::to_string(trade.size)},
                               {"id", std::to_string(trade.id_low)}});
        } else {
            const auto& mark = *static_cast<const MarkPayload*>(payload);
            said = packed_map({{"kind", "quarantine"},
                               {"state", state},
                               {"event", "mark"},
                               {"ts_event", std::to_string(mark.ts_event)},
                               {"mark", std::to_string(mark.mark)},
                               {"index", std::to_string(mark.index)}});
        }
        return put(EventType::health, 0, stream, time, said.data(),
                   static_cast<std::uint32_t>(said.size()));
    }

    EventCounts counts_;
    std::unique_ptr<TickFilter> filter_;  // null: no filter
    std::vector<HeldTrade> released_;
};

// A line or row that was not decoded.
struct Reject {
    std::uint32_t source;
    std::uint64_t line;
    std::string reason;
    std::string text;  // its first 200 bytes
};

inline constexpr std::size_t rejects_listed_max = 10'000;
inline constexpr std::size_t reject_text_max = 200;

// Keeps rejects: lists them up to a bound, and counts the others.
class RejectLog {
 public:
    void add(std::uint32_t source, std::uint64_t line, std::string reason, std::string_view text) {
        if (count_++ >= rejects_listed_max) return;
        waiting_.push_back(
            {source, line, std::move(reason), std::string(text.substr(0, reject_text_max))});
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    // Returns the rejects listed since the last call.
    [[nodiscard]] std::vector<Reject> take() { return std::exchange(waiting_, {}); }

 private:
    std::uint64_t count_ = 0;
    std::vector<Reject> waiting_;
};

}  // namespace onetape
