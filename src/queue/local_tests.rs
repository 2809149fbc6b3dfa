use super::*;

#[test]
fn a_resting_worker_is_woken_by_many_lines_or_by_a_thread_that_waits() {
    const SIZE: usize = 4096;
    let memory = || Segment::new(Memory::Heap(vec![0; SIZE].into()));
    let parts = Parts {
        segment: memory(),
        journal: None,
        heap: None,
    };
    let local = Local::with(memory(), parts, None, SIZE);
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
