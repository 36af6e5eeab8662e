#include "orders/order_index.hpp"

#include <algorithm>
#include <utility>

namespace onetape {

OrderIndex::~OrderIndex() {
    begin_anew();
}

// --- lookup -------------------------------------------------------------------------------------

AccountOrderRef OrderIndex::named(std::string_view client_id) const {
    const auto found = by_name_.find(client_id);
    return found == by_name_.end() ? nullptr : found->second;
}

AccountOrderRef OrderIndex::of_robot(std::int64_t robot, std::uint64_t order_id) const {
    const auto found = by_robot_.find({robot, order_id});
    return found == by_robot_.end() ? nullptr : found->second;
}

AccountOrderRef OrderIndex::of_venue(Symbol symbol, std::string_view venue_id) const {
    const auto found = by_venue_id_.find({symbol.number(), std::string(venue_id)});
    return found == by_venue_id_.end() ? nullptr : found->second;
}

// --- sums ---------------------------------------------------------------------------------------

void OrderIndex::mark(AccountOrder& order) {
    if (order.is_marked) return;
    order.is_marked = true;
    marked_.push_back(order.shared_from_this());
}

void OrderIndex::look() {
    if (marked_.empty()) return;
    const OrderTraits venue = traits();
    looked_at_.swap(marked_);
    for (const AccountOrderRef& each : looked_at_) {
        each->is_marked = false;
        if (!each->is_listed) continue;
        sums_.put(*each, venue);
        put_due(*each, due_of(*each));
    }
    looked_at_.clear();
}

std::int64_t OrderIndex::due_of(const AccountOrder& order) noexcept {
    std::int64_t due = order.ask_at != 0 && !order.asking ? order.ask_at : never;
    for (const PendingRequest& each : order.pending)
        if (each.is_there)
            due = std::min(due, each.resend_at != 0 ? each.resend_at : each.deadline);
    return due;
}

void OrderIndex::put_due(AccountOrder& order, std::int64_t due) {
    if (due == order.due_at) return;
    if (order.due_at != never) due_.erase({order.due_at, &order});
    if (due != never) due_.insert({due, &order});
    order.due_at = due;
}

std::vector<AccountOrderRef> OrderIndex::take_due(std::int64_t now) {
    std::vector<AccountOrderRef> taken;
    look();
    while (!due_.empty() && due_.begin()->at <= now) {
        AccountOrder& order = *due_.begin()->order;
        put_due(order, never);
        taken.push_back(order.shared_from_this());
        mark(order);
    }
    return taken;
}

std::vector<AccountOrder*> OrderIndex::taking(Symbol symbol, Side side) const {
    std::vector<AccountOrder*> found;
    for (AccountOrder* each = first_; each != nullptr; each = each->next) {
        const OrderTerms& terms = each->terms;
        if (each->robot != 0 && terms.symbol == symbol && terms.side == side &&
            terms.takes_at_once() && !terms.has_trigger() &&
            terms.position_side == PositionSide::both && !terms.reduce_only && !terms.own_reducing)
            found.push_back(each);
    }
    return found;
}

// --- changes ------------------------------------------------------------------------------------

void OrderIndex::link(AccountOrder& order) {
    order.is_listed = true;
    order.previous = last_;
    order.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &order;
    last_ = &order;
    ++open_;
    mark(order);
}

void OrderIndex::unlink(AccountOrder& order) {
    order.is_listed = false;
    (order.previous != nullptr ? order.previous->next : first_) = order.next;
    (order.next != nullptr ? order.next->previous : last_) = order.previous;
    order.previous = order.next = nullptr;
    --open_;
    sums_.drop(order);
    put_due(order, never);
}

// Enters an order under all its ids.
void OrderIndex::enter(const AccountOrderRef& order) {
    order->index = this;
    order->listed_as = ++listed_;
    by_name_[order->client_id] = order;
    for (const std::string& name : order->aliases) by_name_[name] = order;
    if (order->robot != 0) by_robot_[{order->robot, order->order_id}] = order;
    const std::uint32_t symbol = order->terms.symbol.number();
    for (const std::string& id : order->former_venue_ids) by_venue_id_[{symbol, id}] = order;
    if (!order->venue_id.empty()) by_venue_id_[{symbol, order->venue_id}] = order;
}

void OrderIndex::add(const AccountOrderRef& order) {
    // An earlier order of the same name is no longer used by anyone.
    if (const AccountOrderRef before = named(order->client_id); before && before != order) {
        if (before->is_listed) unlink(*before);
        before->index = nullptr;
    }
    enter(order);
    link(*order);
}

void OrderIndex::file(const AccountOrderRef& order) {
    enter(order);
    if (order->is_open())
        link(*order);
    else
        ended_.push_back(order);
}

OrderCell OrderIndex::place(const AccountOrderRef& order, bool is_held) {
    const OrderCell cell = order->take_request(RequestKind::place, 0, 0, is_held, false);
    if (cell == OrderCell::impossible) return cell;
    order->conditional = order->terms.has_trigger() && traits().conditionals;
    add(order);
    return cell;
}

OrderCell OrderIndex::request(AccountOrder& order, RequestKind kind, std::int64_t price,
                              std::int64_t size, std::int64_t now, bool is_reissue) {
    mark(order);
    const OrderCell cell = order.take_request(kind, price, size, false, is_reissue);
    if (kind == RequestKind::amend && cell != OrderCell::impossible) order.amended_at = now;
    return cell;
}

OrderIndex::Change OrderIndex::news(AccountOrder& order, OrderNews news, std::int64_t size,
                                    std::int64_t price, std::uint16_t code,
                                    std::string_view reason) {
    mark(order);
    const auto facts = [&order] {
        return std::tuple(order.state, order.accepted, order.cancel_open, order.update_open);
    };
    const auto before = facts();
    if (order.take_news(news, size, price) == OrderCell::impossible) return Change::impossible;
    if (news == OrderNews::triggered) order.conditional = false;  // it is in the book now
    if (facts() == before && news != OrderNews::updated) return Change::nothing;
    order.code = code;
    order.reason = reason;
    return Change::news;
}

void OrderIndex::close(AccountOrder& order) {
    if (!order.is_listed) return;
    order.drop_pending();
    order.ask_at = order.lost_at = 0;
    end(order);
}

// Moves an order from the open to the ended ones, and drops the oldest of these.
void OrderIndex::end(AccountOrder& order) {
    unlink(order);
    ended_.push_back(order.shared_from_this());
    if (ended_.size() <= closed_kept) return;
    const AccountOrderRef gone = std::move(ended_.front());
    ended_.pop_front();
    const auto forget = [&gone](auto& map, const auto& key) {
        if (const auto found = map.find(key); found != map.end() && found->second == gone)
            map.erase(found);
    };
    forget(by_name_, gone->client_id);
    for (const std::string& name : gone->aliases) forget(by_name_, name);
    forget(by_robot_, Robot{gone->robot, gone->order_id});
    const std::uint32_t symbol = gone->terms.symbol.number();
    for (const std::string& id : gone->former_venue_ids)
        forget(by_venue_id_, std::pair(symbol, id));
    forget(by_venue_id_, std::pair(symbol, gone->venue_id));
    gone->index = nullptr;
}

void OrderIndex::incarnation() {
    for (AccountOrder* each = first_; each != nullptr; each = each->next) {
        mark(*each);
        each->take_incarnation();
    }
}

void OrderIndex::begin_anew() {
    while (first_ != nullptr) unlink(*first_);
    for (const auto& [_, order] : by_name_) order->index = nullptr;
    for (const AccountOrderRef& each : marked_) each->is_marked = false;
    marked_.clear();
    by_name_.clear();
    by_robot_.clear();
    by_venue_id_.clear();
    ended_.clear();
}

void OrderIndex::name(AccountOrder& order, std::string_view venue_id) {
    if (!order.venue_id.empty()) order.former_venue_ids.push_back(order.venue_id);
    order.venue_id = venue_id;
    by_venue_id_[{order.terms.symbol.number(), order.venue_id}] = order.shared_from_this();
}

void OrderIndex::reissue(AccountOrder& order, const std::string& name, std::int64_t now) {
    mark(order);
    if (name != order.name()) {
        ++order.reissues;
        rename(order, name);
        order.conditional = false;  // else it was never conditional: its reports decide
    }
    order.take_request(RequestKind::amend, 0, 0, false, true);
    order.away = order.filled_outside = order.reported_filled = order.filled;
    order.reported_time = order.asks = order.not_found = 0;
    order.sent_at = now;
    order.amended_at = 0;  // an amendment sent to the former venue order does not reach this one
}

void OrderIndex::rename(AccountOrder& order, const std::string& name) {
    order.aliases.push_back(name);
    by_name_[name] = order.shared_from_this();
    order.former.push_back(order.name());
    if (!order.venue_id.empty()) {
        order.former.push_back(order.venue_id);
        order.former_venue_ids.push_back(order.venue_id);
    }
    order.sent_as = name;
    order.venue_id.clear();
}

void OrderIndex::keep(AccountOrder& order) {
    mark(order);
    order.drop_pending();
    order.reported_end = OrderNews{};
    order.ask_at = order.lost_at = 0;
    order.take_back();
}

}  // namespace onetape
