//! How things are, for all who ask: one answer of the loop a second, however many they are.
//!
//! The loop is asked as the control socket asks it, and hands over a copy. Who asks while an answer is awaited, or within a second
//! of the question, shares it; a reader that leaves does not undo the question, so that leaving and asking again cannot keep
//! the loop busy.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use sctp_monitor_engine::model::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::{clock::Clock, control::Question, report::Summary};

/// Where answers come from; `T` is what is made of one.
pub(super) struct Source<T> {
    questions: mpsc::Sender<Question>,
    make: Arc<dyn Fn(Summary) -> T + Send + Sync>,
    last: Arc<Mutex<Last<T>>>,
}

/// The loop did not answer: the agent is about to end, or stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent does not answer: it is about to end, or it is far behind")]
pub(super) struct NoAnswer;

/// The last answer, and when it was asked for.
type Last<T> = Option<(Timestamp, Asked<T>)>;

type Asked<T> = Shared<BoxFuture<'static, Result<Arc<T>, NoAnswer>>>;

impl<T: Send + Sync + 'static> Source<T> {
    /// Asks by this queue. `make` is called once for each answer.
    pub(super) fn new(
        questions: mpsc::Sender<Question>,
        make: impl Fn(Summary) -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            questions,
            make: Arc::new(make),
            last: Arc::default(),
        }
    }

    /// How things are now, or were less than a second ago.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub(super) async fn latest(&self) -> Result<Arc<T>, NoAnswer> {
        self.asked(Clock::now().map_err(|_| NoAnswer)?).await
    }

    fn asked(&self, now: Timestamp) -> Asked<T> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, asked)) = &*last
            && now.since(*at) < APART
        {
            return asked.clone();
        }
        let questions = self.questions.clone();
        let make = Arc::clone(&self.make);
        let answer = async move {
            let (to, answer) = oneshot::channel();
            questions
                .send(Question::Summary(to))
                .await
                .map_err(|_| NoAnswer)?;
            let summary = answer.await.map_err(|_| NoAnswer)?;
            Ok(Arc::new(make(summary.reported())))
        };
        let asked = async {
            tokio::time::timeout(PATIENCE, answer)
                .await
                .unwrap_or(Err(NoAnswer))
        }
        .boxed()
        .shared();
        tokio::spawn(forget(asked.clone(), now, Arc::clone(&self.last)));
        *last = Some((now, asked.clone()));
        asked
    }
}

/// Waits for an answer, and lets go of it when it is too old for anybody: one of ten thousand associations takes many megabytes.
async fn forget<T>(asked: Asked<T>, asked_at: Timestamp, last: Arc<Mutex<Last<T>>>) {
    drop(asked.await);
    tokio::time::sleep(APART).await;
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if last.as_ref().is_some_and(|(at, _)| *at == asked_at) {
        *last = None;
    }
}

/// Between two questions to the loop.
const APART: Duration = Duration::from_secs(1);

/// How long the loop may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::summary;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_nanos(millis * 1_000_000)
    }

    #[tokio::test]
    async fn all_who_ask_within_a_second_share_one_answer() {
        let (questions, mut asked) = mpsc::channel(1);
        let source = Source::new(questions, |summary| summary);
        let waiting: Vec<_> = (0..100).map(|_| source.asked(at(0))).collect();
        // They have left before the answer came.
        drop(waiting);
        let waiting: Vec<_> = (0..100).map(|milli| source.asked(at(milli))).collect();
        let Some(Question::Summary(to)) = asked.recv().await else {
            panic!("nothing was asked");
        };
        to.send(summary(&[])).unwrap();
        for waiting in waiting {
            assert!(waiting.await.is_ok());
        }
        assert!(source.asked(at(999)).await.is_ok());
        assert!(asked.try_recv().is_err(), "the loop was asked again");
        drop(source.asked(at(1_000)));
        assert!(asked.recv().await.is_some());
    }

    #[tokio::test]
    async fn an_answer_that_is_too_old_is_let_go() {
        let (questions, mut asked) = mpsc::channel(1);
        let source = Source::new(questions, |summary| summary);
        let waiting = source.asked(at(0));
        let Some(Question::Summary(to)) = asked.recv().await else {
            panic!("nothing was asked");
        };
        to.send(summary(&[])).unwrap();
        let answer = Arc::downgrade(&waiting.await.unwrap());
        assert!(answer.upgrade().is_some());
        let is_gone = async {
            while answer.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(10 * APART, is_gone).await.is_ok());
    }

    #[tokio::test]
    async fn a_loop_that_has_ended_is_no_answer() {
        let (questions, asked) = mpsc::channel(1);
        drop(asked);
        let source = Source::new(questions, |summary| summary);
        assert_eq!(source.latest().await.unwrap_err(), NoAnswer);
    }
}
