//! What a job is: its names, its priority, its states, what the producer wrote and what happened since.

mod batch_name;
mod history;
mod id;
mod line;
mod name;
mod new;
mod options;
mod priority;
mod queue_name;
mod record;
mod state;

pub use batch_name::BatchName;
pub(crate) use history::truncate;
pub use history::{Failure, History};
pub use id::JobId;
pub(crate) use name::{check as check_name, name};
pub(crate) use new::LONGEST;
pub(crate) use new::Start;
pub use new::{NewJob, Unique};
pub use options::JobOptions;
pub use priority::Priority;
pub use queue_name::QueueName;
pub use record::{PAYLOAD_DEPTH, PAYLOAD_MAX_BYTES, Record};
pub use state::{JobState, TRANSITIONS, Transition, TransitionRow};
