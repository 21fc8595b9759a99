//! Batches of one request, and what it remembers of them.

use super::*;

async fn ask_in(context: &RequestContext, c: &Collapser<u32, Titles>, number: u32) -> Title {
    let deadline = within(c.command(), 60_000);
    c.submit_in(context, deadline, number).await
}

#[tokio::test(start_paused = true)]
async fn requests_do_not_meet() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let (one, other) = (RequestContext::new(), RequestContext::new());
    let answers = tokio::join!(
        ask_in(&one, &c, 1),
        ask_in(&one, &c, 2),
        ask_in(&other, &c, 1),
        ask(&c, 1),
    );
    assert_eq!(answers, (title(1), title(2), title(1), title(1)));
    assert_eq!(titles.asked(), [vec![1, 2], vec![1], vec![1]]);
}

#[tokio::test(start_paused = true)]
async fn collapsers_do_not_meet_in_a_request() {
    let (titles, others) = (Titles::default(), Titles::default());
    let (c, other) = (collapser(&titles), collapser(&others));
    let context = RequestContext::new();
    let answers = tokio::join!(ask_in(&context, &c, 1), ask_in(&context, &other, 1));
    assert_eq!(answers, (title(1), title(1)));
    assert_eq!(
        (titles.asked(), others.asked()),
        (vec![vec![1]], vec![vec![1]])
    );
}

#[tokio::test(start_paused = true)]
async fn answers_and_errors_are_remembered_until_they_are_cleared() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let context = RequestContext::new();
    let unknown = || Err(CollapseError::Answer(Wrong::NoSuchTitle));
    for _ in 0..3 {
        let answers = tokio::join!(ask_in(&context, &c, 1), ask_in(&context, &c, UNKNOWN));
        assert_eq!(answers, (title(1), unknown()));
    }
    // One that runs is joined, for nothing has changed since.
    let running = tokio::join!(
        ask_in(&context, &c, 2),
        after_ms(30, ask_in(&context, &c, 2))
    );
    assert_eq!(running, (title(2), title(2)));
    assert_eq!(titles.asked(), [vec![1, UNKNOWN], vec![2]]);
    assert_eq!(c.snapshot().totals.responses_from_cache, 5);
    c.clear(&context, &1);
    let answers = tokio::join!(ask_in(&context, &c, 1), ask_in(&context, &c, 2));
    assert_eq!(answers, (title(1), title(2)));
    assert_eq!(titles.asked()[2..], [[1]]);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_not_seen_by_a_batch_on_its_way_but_by_the_next() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let context = RequestContext::new();
    let after_the_change = async {
        pass_ms(30).await;
        c.clear(&context, &1);
        ask_in(&context, &c, 1).await
    };
    let both = tokio::join!(ask_in(&context, &c, 1), after_the_change);
    assert_eq!(both, (title(1), title(1)));
    assert_eq!(titles.asked(), [[1], [1]]);
}

#[tokio::test(start_paused = true)]
async fn outside_of_requests_nothing_is_remembered_nor_joined_on_its_way() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let both = tokio::join!(ask(&c, 1), after_ms(30, ask(&c, 1)));
    assert_eq!((both, ask(&c, 1).await), ((title(1), title(1)), title(1)));
    assert_eq!(titles.asked(), [[1], [1], [1]]);
}

#[tokio::test(start_paused = true)]
async fn switched_off_a_request_remembers_nothing_but_shares_a_batch() {
    let titles = Titles::default();
    let c = collapser(&titles);
    c.set_properties(CollapserProperties {
        request_cache_enabled: false,
        ..CollapserProperties::default()
    })
    .unwrap();
    let context = RequestContext::new();
    for _ in 0..2 {
        let both = tokio::join!(ask_in(&context, &c, 1), ask_in(&context, &c, 1));
        assert_eq!(both, (title(1), title(1)));
    }
    assert_eq!(titles.asked(), [[1], [1]]);
}

#[tokio::test(start_paused = true)]
async fn a_request_remembers_so_many_answers_and_no_more() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let context = RequestContext::with_max_entries(1);
    for _ in 0..2 {
        let both = tokio::join!(ask_in(&context, &c, 1), ask_in(&context, &c, 2));
        assert_eq!(both, (title(1), title(2)));
    }
    assert_eq!(titles.asked(), [vec![1, 2], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_answer_is_not_remembered() {
    let titles = Titles::default();
    let c = collapser(&titles);
    let context = RequestContext::new();
    let deadline = within(c.command(), 60_000);
    // Dropped before the batch goes.
    drop(c.submit_in(&context, deadline, 1));
    // Dropped while it runs, with another that is asked anew before it has ended.
    pass_ms(20).await;
    let running = c.submit_in(&context, deadline, 2);
    pass_ms(20).await;
    drop(running);
    let again = c.submit_in(&context, deadline, 2);
    assert_eq!(again.await, title(2));
    assert_eq!(titles.asked(), [[2], [2]]);
    // Broken off.
    let broken = Err(CollapseError::Abandoned);
    let both = tokio::join!(ask_in(&context, &c, PANICS), ask_in(&context, &c, 3));
    assert_eq!(both, (broken.clone(), broken));
    assert_eq!(ask_in(&context, &c, 3).await, title(3));
    assert_eq!(ask_in(&context, &c, 2).await, title(2));
    assert_eq!(titles.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_work_of_a_batch_is_part_of_the_request() {
    let command = Command::new("titles", "catalog", Properties::default()).unwrap();
    let entries = BatchFn(|numbers: Vec<u32>, _: Attempt| async move {
        let known = RequestContext::current().map(|context| context.entries());
        Ok::<_, Wrong>(numbers.into_iter().map(move |number| (number, Ok(known))))
    });
    let properties = CollapserProperties::default();
    let c = Collapser::new("entries", command.clone(), properties, entries).unwrap();
    let (context, deadline) = (RequestContext::new(), within(&command, 1000));
    let profile = command.cached(&context, "7");
    let profile = profile.execute(deadline, |_| async { Ok::<_, Wrong>(()) });
    profile.await.unwrap();
    assert_eq!(c.submit_in(&context, deadline, 1).await, Ok(Some(1)));
    assert_eq!(c.submit(deadline, 1).await, Ok(None));
}

/// Each in a task of its own.
struct EntriesByShard;

impl Batch<u32> for EntriesByShard {
    type Response = Option<usize>;
    type Error = Wrong;

    async fn run(
        &self,
        numbers: Vec<u32>,
        _: Attempt,
    ) -> Result<Vec<(u32, Result<Option<usize>, Wrong>)>, Wrong> {
        let known = RequestContext::current().map(|context| context.entries());
        Ok(numbers
            .into_iter()
            .map(|number| (number, Ok(known)))
            .collect())
    }

    fn shards(&self, numbers: Vec<u32>) -> Vec<Vec<u32>> {
        numbers.into_iter().map(|number| vec![number]).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_work_of_each_shard_is_part_of_the_request() {
    let command = Command::new("titles", "catalog", Properties::default()).unwrap();
    let properties = CollapserProperties::default();
    let c = Collapser::new("entries", command.clone(), properties, EntriesByShard).unwrap();
    let (context, deadline) = (RequestContext::new(), within(&command, 1000));
    let both = tokio::join!(
        c.submit_in(&context, deadline, 1),
        c.submit_in(&context, deadline, 2)
    );
    assert_eq!(both, (Ok(Some(0)), Ok(Some(0))));
}
