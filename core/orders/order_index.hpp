#pragma once
// The orders of an account at its gateway: lookup by all their names, due times, sums over working
// orders, and every change that the journal can make to them. The order manager decides, writes its
// decision to the journal and applies it here; a gateway that starts reads its journal and applies
// it with the same functions.
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "orders/account_order.hpp"
#include "orders/order_sums.hpp"

namespace onetape {

// Finds open orders, and the last `closed_kept` ended ones. Every change marks the order; marked
// orders are added to the sums at the next query.
class OrderIndex {
 public:
    static constexpr std::int64_t never = nothing_due;

    OrderIndex() = default;
    virtual ~OrderIndex();
    OrderIndex(const OrderIndex&) = delete;
    OrderIndex& operator=(const OrderIndex&) = delete;

    std::size_t closed_kept = 10'000;  // ended orders that are kept for late reports

    // --- lookup ---------------------------------------------------------------------------------

    // Finds an order by any of its client ids. Empty if there is none.
    [[nodiscard]] AccountOrderRef named(std::string_view client_id) const;
    [[nodiscard]] AccountOrderRef of_robot(std::int64_t robot, std::uint64_t order_id) const;
    [[nodiscard]] AccountOrderRef of_venue(Symbol symbol, std::string_view venue_id) const;
    // Open orders in order of their arrival.
    [[nodiscard]] const AccountOrder* first_open() const noexcept { return first_; }
    [[nodiscard]] std::size_t open_count() const noexcept { return open_; }
    // Orders of robots that end as soon as they reach the venue and are not flagged to reduce. They
    // change a one-way position before a reduction arrives.
    [[nodiscard]] std::vector<AccountOrder*> taking(Symbol symbol, Side side) const;
    [[nodiscard]] const std::deque<AccountOrderRef>& ended() const noexcept { return ended_; }
    [[nodiscard]] std::size_t names() const noexcept { return by_name_.size(); }
    template <class Take>
    void each_name(Take&& take) const {
        for (const auto& [name, order] : by_name_) take(name, order);
    }

    // --- sums -----------------------------------------------------------------------------------

    void mark(AccountOrder& order);
    const OrderSums& sums() {
        look();
        return sums_;
    }
    // When the first order is due, `never` if there is none.
    [[nodiscard]] std::int64_t next_due() {
        look();
        return due_.empty() ? never : due_.begin()->at;
    }
    // Returns the orders that are due by now, the longest due first, and marks them as changed: the
    // caller acts on them.
    [[nodiscard]] std::vector<AccountOrderRef> take_due(std::int64_t now);
    [[nodiscard]] std::size_t touched() const noexcept { return marked_.size(); }
    // When an order is due next: a request to send again, an answer that counts as lost, or a
    // query.
    [[nodiscard]] static std::int64_t due_of(const AccountOrder& order) noexcept;
    // Updates the sums for all marked orders. Done before each query, and by callers with spare
    // time, so that little is left to do then.
    void look();

    // --- changes --------------------------------------------------------------------------------

    void add(const AccountOrderRef& order);
    // Enters a new order. is_held: it is not sent yet. Returns the cell that applied; impossible:
    // the order is not entered.
    OrderCell place(const AccountOrderRef& order, bool is_held);
    // Applies a cancel, or an amendment that is no reissue: see `take_request`.
    OrderCell request(AccountOrder& order, RequestKind kind, std::int64_t price, std::int64_t size,
                      std::int64_t now, bool is_reissue);
    enum class Change : std::uint8_t { nothing, news, impossible };
    // Applies a report and returns whether it changes anything; impossible: the order is unchanged.
    // code, reason: of a refusal.
    Change news(AccountOrder& order, OrderNews news, std::int64_t size, std::int64_t price,
                std::uint16_t code, std::string_view reason);
    // Moves an ended order from the open to the ended ones.
    void close(AccountOrder& order);
    void incarnation();
    void begin_anew();

    // Sets the venue's id. A triggered order has a new id; the old one still finds it, for late
    // reports.
    void name(AccountOrder& order, std::string_view venue_id);
    // Turns the rest of an order into a new venue order with a client id of its own, which is being
    // placed. It stays the same order of its robot. The venue order is smaller by what was filled
    // before. The new client id keeps late reports about the earlier one apart.
    void reissue(AccountOrder& order, const std::string& name, std::int64_t now);
    // Sets another client id at the venue; the venue id will change, too.
    void rename(AccountOrder& order, const std::string& name);
    // The order has left the venue: it waits at the gateway until it is released or ends.
    void keep(AccountOrder& order);

    // --- restore --------------------------------------------------------------------------------

    // Enters an order from a checkpoint; ended orders must come in the order in which they ended.
    void file(const AccountOrderRef& order);

 protected:
    // Traits of the venue, which may be known only once its instruments are.
    [[nodiscard]] virtual OrderTraits traits() const { return {}; }

 private:
    struct Due {
        std::int64_t at;
        AccountOrder* order;
        [[nodiscard]] bool operator<(const Due& other) const noexcept {
            return at != other.at ? at < other.at : order->client_id < other.order->client_id;
        }
    };
    struct OfText {
        using is_transparent = void;
        [[nodiscard]] std::size_t operator()(std::string_view text) const noexcept {
            return std::hash<std::string_view>{}(text);
        }
    };
    using Robot = std::pair<std::int64_t, std::uint64_t>;
    struct OfRobot {
        [[nodiscard]] std::size_t operator()(const Robot& key) const noexcept {
            return std::hash<std::uint64_t>{}(key.second * 1021 +
                                              static_cast<std::uint64_t>(key.first));
        }
    };
    struct OfSymbol {
        [[nodiscard]] std::size_t operator()(
            const std::pair<std::uint32_t, std::string>& key) const noexcept {
            return std::hash<std::string>{}(key.second) * 31 + key.first;
        }
    };

    void enter(const AccountOrderRef& order);
    void end(AccountOrder& order);
    void link(AccountOrder& order);
    void unlink(AccountOrder& order);
    void put_due(AccountOrder& order, std::int64_t due);

    std::unordered_map<std::string, AccountOrderRef, OfText, std::equal_to<>> by_name_;
    std::unordered_map<Robot, AccountOrderRef, OfRobot> by_robot_;
    std::unordered_map<std::pair<std::uint32_t, std::string>, AccountOrderRef, OfSymbol>
        by_venue_id_;
    AccountOrder *first_ = nullptr, *last_ = nullptr;
    std::size_t open_ = 0;
    std::uint64_t listed_ = 0;
    std::deque<AccountOrderRef> ended_;
    std::vector<AccountOrderRef> marked_, looked_at_;
    OrderSums sums_;
    std::set<Due> due_;
};

}  // namespace onetape
