//! The bulkhead's queue under every order of two threads.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use loom::thread;

use crate::bulkhead::{Acquire, Bulkhead, Permit};

fn poll(acquire: &mut Acquire) -> Option<Permit> {
    match Pin::new(acquire).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(permit) => Some(permit),
        Poll::Pending => None,
    }
}

/// A permit that is given back while somebody joins the queue is theirs.
#[test]
fn no_permit_is_lost() {
    loom::model(|| {
        let bulkhead = Bulkhead::new(1, 1);
        let running = bulkhead.try_acquire().expect("it is free");
        let releasing = thread::spawn(move || drop(running));
        let acquire = bulkhead.acquire();
        releasing.join().expect("it gives back");
        let permit = match acquire.expect("there is room").now() {
            Ok(permit) => Some(permit),
            Err(mut queued) => poll(&mut queued),
        };
        assert!(permit.is_some(), "nobody else has it");
        assert!(bulkhead.try_acquire().is_err());
        drop(permit);
        assert_eq!((bulkhead.active(), bulkhead.waiting()), (0, 0));
    });
}

/// Somebody who leaves the queue just when the permit comes leaves it to the others.
#[test]
fn no_permit_goes_with_who_leaves() {
    loom::model(|| {
        let bulkhead = Bulkhead::new(1, 1);
        let running = bulkhead.try_acquire().expect("it is free");
        let waiting = bulkhead.acquire().expect("there is room");
        let leaving = thread::spawn(move || drop(waiting));
        drop(running);
        leaving.join().expect("it leaves");
        assert_eq!((bulkhead.active(), bulkhead.waiting()), (0, 0));
        assert!(bulkhead.try_acquire().is_ok());
    });
}

/// A permit that is given back is promised to who waits, whoever comes meanwhile.
#[test]
fn nobody_overtakes_who_waits() {
    loom::model(|| {
        let bulkhead = Bulkhead::new(1, 1);
        let running = bulkhead.try_acquire().expect("it is free");
        let mut waiting = bulkhead.acquire().expect("there is room");
        let releasing = thread::spawn(move || drop(running));
        assert!(bulkhead.try_acquire().is_err());
        releasing.join().expect("it gives back");
        assert!(poll(&mut waiting).is_some());
    });
}

/// Two who want the only permit never have it both.
#[test]
fn nobody_has_more_than_there_are() {
    loom::model(|| {
        let bulkhead = Bulkhead::new(1, 1);
        let other = bulkhead.clone();
        let wanting =
            thread::spawn(move || other.acquire().ok().and_then(|mut one| poll(&mut one)));
        let own = bulkhead.acquire().ok().and_then(|mut one| poll(&mut one));
        let theirs = wanting.join().expect("it wants");
        assert!(own.is_some() || theirs.is_some());
        assert!(own.is_none() || theirs.is_none());
        assert_eq!(bulkhead.take_peak(), 1);
    });
}
