//! What a job is: its names, its priority, its states, what the producer wrote and what happened since.

mod batch_name;
mod crash;
mod history;
mod id;
mod key;
mod line;
mod name;
mod new;
mod options;
mod partition;
mod priority;
mod process_end;
mod queue_name;
mod record;
mod state;

pub use batch_name::BatchName;
pub use crash::Crash;
pub(crate) use history::truncate;
pub use history::{Failure, History};
pub use id::JobId;
#[cfg(test)]
pub(crate) use key::tests::TABLE as KEY_TABLE;
pub use key::{KeyField, LimitKey};
pub(crate) use name::{check as check_name, name};
pub(crate) use new::LONGEST;
pub(crate) use new::Start;
pub use new::{NewJob, Unique};
pub use options::JobOptions;
pub(crate) use partition::{Layout, PARTITIONS_MAX, Partition, Partitions};
pub use priority::Priority;
pub use process_end::ProcessEnd;
pub use queue_name::QueueName;
pub(crate) use record::arrival_of;
pub use record::{PAYLOAD_DEPTH, PAYLOAD_MAX_BYTES, Record};
pub use state::{JobState, TRANSITIONS, Transition, TransitionRow};
