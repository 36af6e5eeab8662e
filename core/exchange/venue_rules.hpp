#pragma once
// A venue's rules by clock and count: closing hours, order rate limits, the delay of triggers. Tape
// time throughout.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/money.hpp"

namespace onetape {

struct ClosedSpan {
    std::int64_t from = 0, to = 0;  // ns, the end exclusive
    std::uint32_t venue = 0;        // 0: every venue
    bool cancels = false;           // resting orders are canceled; else they wait
};

struct BorrowRate {
    std::uint32_t currency = 0;
    std::int64_t rate = 0;  // 1e-12 of a negative balance, each full hour UTC
    // Names of the currency and its account, for the interest record.
    std::string name{}, account{};
};

struct OrderRate {
    std::uint32_t venue = 0;
    std::int64_t limit = 0, window = 0;  // at most `limit` orders in `window` ns; 0: no limit
};

// Levels of loans, assets over debts in 1e-6: at `call` or below it the venue warns, at
// `liquidation` or below it sells and buys until no debt is left; fee: 1e-12 of the traded value.
struct LoanTerms {
    std::int64_t call = 0, liquidation = 0, fee = 0;  // call 0: loans are never called
};

// The venue takes a position over at a configured time, because no data tells when it would have
// happened.
struct Deleveraging {
    static constexpr std::int64_t whole = 1'000'000;

    std::int64_t time = 0;
    std::uint32_t instrument = 0;
    bool is_long = true;
    std::int64_t price = 0;      // 0: at the mark
    std::int64_t share = whole;  // 1e-6 of the position, in whole lots
};

struct VenueRules {
    std::int64_t order_limit = 0, order_window = 0;  // for venues that are not listed next
    std::vector<OrderRate> order_rates;
    std::int64_t trigger_delay = 0;  // ns from trigger to live order
    std::vector<ClosedSpan> closed;
    std::vector<BorrowRate> borrow;
    std::vector<std::string> currencies;  // names by number, for the records
    LoanTerms loans;
    std::vector<Deleveraging> deleveragings;  // by time

    [[nodiscard]] OrderRate order_rate(std::uint32_t venue) const noexcept {
        const auto named = std::find_if(order_rates.begin(), order_rates.end(),
                                        [venue](const OrderRate& r) { return r.venue == venue; });
        return named == order_rates.end() ? OrderRate{venue, order_limit, order_window} : *named;
    }
};

// A bucket of `limit` tokens that fills evenly over `window` ns; full at the start. In integers: a
// token is `window` parts, and `limit` parts come in each ns.
class TokenBucket {
 public:
    bool take(std::int64_t now, std::int64_t limit, std::int64_t window) {
        const Int128 full = static_cast<Int128>(limit) * window;
        if (!used_) {
            used_ = true;
            last_ = now;
            level_ = full;
        }
        if (now > last_) {
            level_ = std::min(full, level_ + static_cast<Int128>(now - last_) * limit);
            last_ = now;
        }
        if (level_ < window) return false;
        level_ -= window;
        return true;
    }

 private:
    Int128 level_ = 0;
    std::int64_t last_ = 0;
    bool used_ = false;
};

}  // namespace onetape
