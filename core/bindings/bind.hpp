#pragma once
// One bind_<room> function for each room of the core; module.cpp calls them in order.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_accounts(nb::module_& m);
void bind_client_ids(nb::module_& m);
void bind_columns(nb::module_& m);
void bind_strategy_calls(nb::module_& m);
void bind_counts(nb::module_& m);
void bind_events(nb::module_& m);
void bind_market(nb::module_& m);
void bind_state(nb::module_& m);
void bind_merge(nb::module_& m);
void bind_models(nb::module_& m);
void bind_engine(nb::module_& m);
void bind_text(nb::module_& m);
void bind_text_messages(nb::module_& m);
void bind_journal(nb::module_& m);
void bind_exchange(nb::module_& m);
void bind_journal_columns(nb::module_& m);
void bind_journal_tools(nb::module_& m);
void bind_mirror(nb::module_& m);
void bind_orders(nb::module_& m);
void bind_plain_fills(nb::module_& m);
void bind_plain_orders(nb::module_& m);
void bind_reserves(nb::module_& m);
void bind_requests(nb::module_& m);
void bind_signing(nb::module_& m);
void bind_scan(nb::module_& m);
void bind_wait(nb::module_& m);
