#pragma once
// The options and the counters of a run: plain values, for the loop and the bindings.
#include <cstdint>
#include <limits>
#include <map>
#include <string>

#include "exchange/account.hpp"
#include "exchange/funding_watch.hpp"

namespace onetape {

struct LoopOptions {
    AccountOptions account;
    std::uint32_t report_currency = 0;
    std::int64_t sample_every = 0;  // ns of tape time between equity samples, 0: none
    std::string robot_tag;          // prefix of client order ids
};

// Bound for refusals of one instrument, side and code, for orders placed within one second: five
// times the rate of a configured robot. Beyond it the robot is halted.
inline constexpr std::uint32_t refusals_max = 100;

enum class RunOutcome : std::uint8_t {
    ended,    // no source has a frame now: end of the data, or the writer has not written more yet
    reached,  // the next frame lies beyond `until`
    limit,    // the requested number of frames is done
    stopped,  // stopped by the robot's host or the user
    failed,   // a source is damaged: see failure()
};

struct OrderSpec {  // an order as the strategy requests it, in units
    Side side = Side::none;
    OrderType type = OrderType::market;
    TimeInForce tif = TimeInForce::gtc;
    TriggerBy trigger_by = TriggerBy::none;
    PositionSide position_side = PositionSide::both;
    std::uint8_t flags = 0;
    std::int64_t price = 0, size = 0, trigger = 0, expire_ns = 0;
    std::string tag;
    std::string more;  // further fields for the tape, MessagePack; usually empty
    Attachment attached;
};

// A scheduled switch: from `time` on the robot trades, or does not.
struct TradingSwitch {
    std::int64_t time;
    bool open;
};

// A live robot's earlier incarnations. Its orders and fills on the gateway's tape count after frame
// `since`; those after frame `run_from` belong to this run, whose own tape has `heard` of them.
struct Inheritance {
    std::uint64_t since = 0;
    std::uint64_t run_from = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t heard = 0;
};

struct AccountMoney {  // a currency of an account, by name
    std::uint32_t currency;
    std::string account, name;
};

struct EquitySample {
    std::int64_t time;
    Money equity, balance, moved;  // moved: external inflow since the run began
};

struct RunCounters {
    std::uint64_t frames = 0;      // all frames read
    std::uint64_t events = 0;      // market events of the run's instruments
    std::uint64_t warmed = 0;      // market events from before the start: applied, not shown
    std::uint64_t superseded = 0;  // frames skipped in favor of a newer one of their symbol
    std::uint64_t actions = 0, orders = 0, fills = 0, denied = 0, rejected = 0;
    std::uint64_t impossible = 0;  // order events that no state allows: counted and ignored
    FundingCounters funding;
    // Events of the detail data; bars without any of them; bars whose range they do not reach.
    std::uint64_t detail_events = 0, detail_holes = 0, detail_incomplete = 0;
    std::uint64_t late = 0;  // order events of closed orders
    // Number of orders denied, rejected, or canceled by the venue, by error number.
    std::map<std::uint16_t, std::uint64_t> denied_by, rejected_by, canceled_by;
};

}  // namespace onetape
