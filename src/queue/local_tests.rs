use std::io::ErrorKind;

use super::*;

const SIZE: usize = 4096;

/// A queue on the heap, whose worker this test is.
fn queue() -> Local {
    let memory = || Segment::new(Memory::Heap(vec![0; SIZE].into()));
    let parts = Parts {
        segment: memory(),
        journal: None,
        heap: None,
    };
    Local::with(memory(), parts, None, SIZE)
}

#[test]
fn a_resting_worker_is_woken_by_many_lines_or_by_a_thread_that_waits() {
    let local = queue();
    let rests = || matches!(local.lock().worker, WorkerState::Resting);
    let rest = || local.lock().worker = WorkerState::Resting;
    rest();
    let mut length = 0;
    while rests() {
        let mut front = local.lock();
        assert!(front.segment.append(b"a line\n", true));
        length += 7;
        local.wake_for_lines(front);
    }
    assert!((SIZE / 8..SIZE / 2).contains(&length), "{length}");
    rest();
    drop(local.wait_for(local.lock(), Duration::ZERO, |_| false));
    assert!(!rests());
    rest();
    local.made_progress(1);
    assert!(rests());
    drop(local.wait_until_written(local.lock(), 1, Duration::ZERO));
    assert_eq!(local.watching.load(Ordering::SeqCst), 0);
}

/// The worker may be slow for longer than that before it is refused for the first time.
#[test]
fn a_caller_s_patience_counts_from_the_refusal_and_not_from_its_call() {
    const PATIENCE: Duration = Duration::from_millis(200);
    let local = queue();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let waited = local.wait_for_room(local.lock(), SIZE, PATIENCE);
            assert!(matches!(waited, Waited::InVain(_)));
        });
        while local.lock().waiting == 0 {
            std::thread::yield_now();
        }
        std::thread::sleep(PATIENCE);
        let refused = Instant::now();
        local.refuse(&mut local.lock(), ErrorKind::StorageFull.into());
        caller.join().unwrap();
        assert!(refused.elapsed() >= PATIENCE);
    });
}
