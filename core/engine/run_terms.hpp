#pragma once
// What a run is given, and what it has counted: plain values, for the loop and the bindings.
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
    std::string robot_tag;          // begins client order ids
};

// Of one instrument, side and code, of orders placed within one second: five times what a robot of
// a configuration may send in that time. Then the robot is halted.
inline constexpr std::uint32_t refusals_max = 100;

enum class RunOutcome : std::uint8_t {
    ended,    // no source has a frame now: the data is over, or its writer is still ahead
    reached,  // the next frame lies beyond `until`
    limit,    // the count of frames asked for is done
    stopped,  // the robot's host or the user said so
    failed,   // a source is damaged: failure() says where
};

struct OrderSpec {  // what a strategy asks for, in units
    Side side = Side::none;
    OrderType type = OrderType::market;
    TimeInForce tif = TimeInForce::gtc;
    TriggerBy trigger_by = TriggerBy::none;
    PositionSide position_side = PositionSide::both;
    std::uint8_t flags = 0;
    std::int64_t price = 0, size = 0, trigger = 0, expire_ns = 0;
    std::string tag;
    std::string more;  // further facts for the tape, MessagePack; most have none
    Attachment attached;
};

// A switch of trading: from `time` on the robot trades, or does not.
struct TradingSwitch {
    std::int64_t time;
    bool open;
};

// A live robot's earlier lives. Its orders and fills on the gateway's tape count after frame
// `since`; those after frame `run_from` are of this run, whose own tape has `heard` of them.
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
    Money equity, balance, moved;  // moved: in since the run began, from outside
};

struct RunCounters {
    std::uint64_t frames = 0;      // all that were read
    std::uint64_t events = 0;      // market events of the run's instruments
    std::uint64_t warmed = 0;      // such events from before the start: known, not shown
    std::uint64_t superseded = 0;  // frames that a newer one of their symbol stood for
    std::uint64_t actions = 0, orders = 0, fills = 0, denied = 0, rejected = 0;
    std::uint64_t impossible = 0;  // news that no state allows: counted, not believed
    FundingCounters funding;
    // Data that only the exchange saw; bars that had none of it; bars that reach further than it.
    std::uint64_t detail_events = 0, detail_holes = 0, detail_incomplete = 0;
    std::uint64_t late = 0;  // news about orders that were already closed
    // Of the orders that were denied, rejected, or canceled by the venue: how many by error number.
    std::map<std::uint16_t, std::uint64_t> denied_by, rejected_by, canceled_by;
};

}  // namespace onetape
