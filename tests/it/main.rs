//! Everything that needs a Redis: each test on servers of its own, through the library or the real binary.

#![allow(missing_docs, reason = "tests say what they check in their names")]

mod scenario;
mod support;

mod alerts;
mod alerts_told;
mod api_acts;
mod api_batches;
mod api_dead;
mod api_document;
mod api_enqueue;
mod api_events;
mod api_guard;
mod api_operate;
mod api_schedules;
mod api_server;
mod batches;
mod builtin_email;
mod builtin_exec;
mod builtin_http;
mod builtin_notification;
mod cli_acts;
mod cli_alerts;
mod cli_check;
mod cli_complete;
mod cli_contract;
mod cli_doctor;
mod cli_embedded;
mod cli_enqueue;
mod cli_events;
mod cli_explain;
mod cli_generated;
mod cli_moved;
mod cli_operate;
mod cli_profile;
mod cli_schedule;
mod cli_spool;
mod cli_terminal;
mod cli_told;
mod cli_top;
mod cli_usage;
mod cli_work;
mod data_db;
mod data_distribution;
mod data_export;
#[cfg(feature = "s3")]
mod data_files;
mod data_import;
mod data_notification;
mod data_report;
#[cfg(feature = "pdf")]
mod data_report_pdf;
mod data_schema;
mod durable;
mod harness;
mod key_limits;
mod key_views;
mod link_embedded;
mod link_sentinel;
mod model;
mod ops_acts;
mod ops_bulk;
mod ops_dead;
mod ops_doctor;
mod ops_inspect;
mod ops_janitor;
mod ops_load;
mod ops_seed;
mod ops_undo;
mod partitions;
mod service;
mod weights;
mod worker;
