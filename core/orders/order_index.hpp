#pragma once
// The orders of an account at its gateway: by what names they are found, what is due of them and
// when, what works is summed up to, and every way in which the journal changes them. The order
// manager decides, says what it has decided (what goes to the journal) and changes them here; a
// gateway that starts reads its journal and changes them here by the same functions.
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

// Finds open orders, and ended ones until so many later ones have ended. Whoever changes an order
// touches it; what has been touched is summed up when somebody asks the next time.
class OrderIndex {
 public:
    static constexpr std::int64_t never = nothing_due;

    OrderIndex() = default;
    virtual ~OrderIndex();
    OrderIndex(const OrderIndex&) = delete;
    OrderIndex& operator=(const OrderIndex&) = delete;

    std::size_t closed_kept = 10'000;  // orders that have ended, for late words

    // --- found ----------------------------------------------------------------------------------

    // By a client id, the first or a later one. The empty answer: there is none.
    [[nodiscard]] AccountOrderRef named(std::string_view client_id) const;
    [[nodiscard]] AccountOrderRef of_robot(std::int64_t robot, std::uint64_t order_id) const;
    [[nodiscard]] AccountOrderRef of_venue(Symbol symbol, std::string_view venue_id) const;
    // Open orders in the order in which they came.
    [[nodiscard]] const AccountOrder* first_open() const noexcept { return first_; }
    [[nodiscard]] std::size_t open_count() const noexcept { return open_; }
    // Those of robots that are over as soon as the venue has them and take nothing off by their
    // flag: what they hold of a one-way position is gone before a reduction arrives.
    [[nodiscard]] std::vector<AccountOrder*> taking(Symbol symbol, Side side) const;
    [[nodiscard]] const std::deque<AccountOrderRef>& ended() const noexcept { return ended_; }
    [[nodiscard]] std::size_t names() const noexcept { return by_name_.size(); }
    template <class Take>
    void each_name(Take&& take) const {
        for (const auto& [name, order] : by_name_) take(name, order);
    }

    // --- summed up ------------------------------------------------------------------------------

    void mark(AccountOrder& order);
    const OrderSums& sums() {
        look();
        return sums_;
    }
    // When the first order is due, `never` without one.
    [[nodiscard]] std::int64_t next_due() {
        look();
        return due_.empty() ? never : due_.begin()->at;
    }
    // The orders with something due by now, the longest due first. They are touched: whoever takes
    // them changes them.
    [[nodiscard]] std::vector<AccountOrderRef> take_due(std::int64_t now);
    [[nodiscard]] std::size_t touched() const noexcept { return marked_.size(); }
    // When something of an order is due: a request to be sent again, an answer that is lost by
    // then, a query.
    [[nodiscard]] static std::int64_t due_of(const AccountOrder& order) noexcept;
    // Sums up what is touched: before each answer, and by whoever has time, so that it stays little
    // where nobody asks.
    void look();

    // --- changed --------------------------------------------------------------------------------

    void add(const AccountOrderRef& order);
    // A new order that is asked for. is_held: it is not sent yet. Returns the cell that applied;
    // impossible: it is not entered.
    OrderCell place(const AccountOrderRef& order, bool is_held);
    // Its cancel, or an amendment that is none to a new order: see `take_request`.
    OrderCell request(AccountOrder& order, RequestKind kind, std::int64_t price, std::int64_t size,
                      std::int64_t now, bool is_reissue);
    enum class Change : std::uint8_t { nothing, news, impossible };
    // A report, and whether that changes anything; impossible: the order is as it was. code,
    // reason: of a refusal.
    Change news(AccountOrder& order, OrderNews news, std::int64_t size, std::int64_t price,
                std::uint16_t code, std::string_view reason);
    // Takes an order that has ended from the open ones.
    void close(AccountOrder& order);
    void incarnation();
    void begin_anew();

    // The venue's id; an order that has fired has another than while it waited, and late words may
    // still use that one.
    void name(AccountOrder& order, std::string_view venue_id);
    // What is left of an order becomes a new order at the venue, of that client id, which is being
    // placed. It stays the same order of its robot. What was filled before the new one knows
    // nothing of: it is smaller by that. It has a client id of its own, so that no late word of the
    // one before is taken for it.
    void reissue(AccountOrder& order, const std::string& name, std::int64_t now);
    // Another client id at the venue; its venue id will be another one, too.
    void rename(AccountOrder& order, const std::string& name);
    // It has left the venue: it waits here until it is released, or ends.
    void keep(AccountOrder& order);

    // --- read back ------------------------------------------------------------------------------

    // Enters an order as a checkpoint has it; the ended ones in the order in which they ended.
    void file(const AccountOrderRef& order);

 protected:
    // Of the venue, which may be known only once its instruments are.
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
