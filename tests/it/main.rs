//! The whole path, one module for each promise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends here")]

mod cli_damage;
mod cli_login;
mod cli_logs;
mod cli_logs_strange;
mod cli_orgs;
mod cli_run;
mod cli_search;
mod cli_stored;
mod cli_tokens;
mod cli_up;
mod cli_usage;
mod cluster;
mod dashboard;
mod differential;
mod inventory;
mod malformed;
mod openapi;
mod orgs;
mod parts;
mod promise_1_no_stage_holds_a_line;
mod promise_2_addressed_and_numbered;
mod promise_3_acknowledged_lines_survive;
mod promise_4_goes_on_where_it_stopped;
mod promise_5_nobody_reads_another_org;
mod promise_6_harms_only_itself;
mod promise_7_one_binary;
mod revocations;
mod roles;
mod stock_clients;
mod store_format;
mod stored;
mod targets;
mod tls;
mod tokens_round_trip;
