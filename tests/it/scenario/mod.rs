//! The scenarios of the reliability requirements, on real processes; a test's name carries the scenario's number.

mod batch;
mod breaker;
mod bulk;
mod chaos;
mod clock;
mod contract;
mod crash;
mod dead;
mod embedded;
mod failover;
mod files;
mod money;
mod namespaces;
mod network;
mod notification;
mod order;
mod outage;
mod payload;
mod refusal;
mod reports;
mod restart;
mod schedule;
mod secrets;
mod shutdown;
mod timing;
mod unique;
