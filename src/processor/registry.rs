//! Which queue is run by which processor; erases the payload types.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

use crate::job::QueueName;
use crate::processor::{BatchProcessor, JobContext, Outcome, ProcessError, Processor};

type Answer = Result<Outcome, ProcessError>;
type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One job of a batch.
#[derive(Debug)]
pub struct BatchJob<P> {
    /// The payload.
    pub payload: P,
    /// The job.
    pub ctx: JobContext,
}

/// One job of a batch before its payload was read.
pub(crate) struct BatchItem<'a> {
    pub payload: &'a RawValue,
    pub ctx: JobContext,
}

pub(crate) trait ErasedProcessor: Send + Sync {
    fn dependency(&self) -> Option<String>;
    fn run<'a>(&'a self, payload: &'a RawValue, ctx: &'a JobContext) -> Running<'a, Answer>;
}

pub(crate) trait ErasedBatch: Send + Sync {
    fn dependency(&self) -> Option<String>;
    fn run<'a>(&'a self, items: Vec<BatchItem<'a>>) -> Running<'a, Vec<Answer>>;
}

fn read<T: serde::de::DeserializeOwned + 'static>(payload: &RawValue) -> Result<T, ProcessError> {
    // What is taken as it is was read with its record.
    if TypeId::of::<T>() == TypeId::of::<Box<RawValue>>() {
        let mut same = Some(payload.to_owned());
        if let Some(same) = (&mut same as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take) {
            return Ok(same);
        }
    }
    serde_json::from_str(payload.get())
        .map_err(|error| ProcessError::permanent("payload_invalid", format!("payload does not fit: {error}")))
}

struct Single<P>(P);

impl<P: Processor> ErasedProcessor for Single<P> {
    fn dependency(&self) -> Option<String> {
        self.0.dependency()
    }

    fn run<'a>(&'a self, payload: &'a RawValue, ctx: &'a JobContext) -> Running<'a, Answer> {
        Box::pin(async move { self.0.process(read(payload)?, ctx).await })
    }
}

struct Batch<P>(P);

impl<P: BatchProcessor> ErasedBatch for Batch<P> {
    fn dependency(&self) -> Option<String> {
        self.0.dependency()
    }

    fn run<'a>(&'a self, items: Vec<BatchItem<'a>>) -> Running<'a, Vec<Answer>> {
        Box::pin(async move {
            let mut answers: Vec<Option<Answer>> = Vec::with_capacity(items.len());
            let mut jobs = Vec::with_capacity(items.len());
            for item in items {
                match read(item.payload) {
                    Ok(payload) => {
                        answers.push(None);
                        jobs.push(BatchJob { payload, ctx: item.ctx });
                    }
                    Err(error) => answers.push(Some(Err(error))),
                }
            }
            let mut ran = if jobs.is_empty() { Vec::new() } else { self.0.process_batch(jobs).await }.into_iter();
            let mut answer =
                || ran.next().unwrap_or_else(|| Err(ProcessError::transient("no_answer", "the batch gave no answer")));
            answers.into_iter().map(|given| given.unwrap_or_else(&mut answer)).collect()
        })
    }
}

/// How a queue is run.
#[derive(Clone)]
pub(crate) enum Entry {
    Single(Arc<dyn ErasedProcessor>),
    Batch { processor: Arc<dyn ErasedBatch>, size: usize, wait: Duration },
}

impl Entry {
    /// The one service that every job needs.
    pub(crate) fn dependency(&self) -> Option<String> {
        match self {
            Self::Single(processor) => processor.dependency(),
            Self::Batch { processor, .. } => processor.dependency(),
        }
    }
}

/// Queues and their processors.
#[derive(Clone, Default)]
pub struct Registry {
    entries: BTreeMap<QueueName, Entry>,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs the jobs of `queue` with `processor`, in place of what was registered before.
    pub fn register(&mut self, queue: QueueName, processor: impl Processor) -> &mut Self {
        self.entries.insert(queue, Entry::Single(Arc::new(Single(processor))));
        self
    }

    /// Runs the jobs of `queue` with `processor`, up to `size` at a time; an incomplete batch starts after `wait`.
    pub fn register_batch(
        &mut self,
        queue: QueueName,
        processor: impl BatchProcessor,
        size: usize,
        wait: Duration,
    ) -> &mut Self {
        let processor = Arc::new(Batch(processor));
        self.entries.insert(queue, Entry::Batch { processor, size: size.clamp(1, 1_000), wait });
        self
    }

    /// The queues that have a processor.
    pub fn queues(&self) -> impl Iterator<Item = &QueueName> {
        self.entries.keys()
    }

    pub(crate) fn get(&self, queue: &QueueName) -> Option<&Entry> {
        self.entries.get(queue)
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}
