fn unpaid(order: Event, _: ()) -> u32 {
    order.order
}
/// The pattern whose matches [`unpaid`](fn@unpaid) is given.
#[derive(Clone, Copy, Debug, Default)]
struct Unpaid;
impl streams::pattern::Matcher for Unpaid {
    type Event = Event;
    type Out = u32;
    fn pattern(&self) -> streams::pattern::Pattern<Self::Event> {
        streams::pattern::Pattern::<Event>::begin("order")
            .filter(|event| event.is_order())
            .not_followed_by("not_followed_by 2")
            .filter_with(|event, so_far| {
                #[allow(unused_variables)]
                let ::core::option::Option::Some(order) = so_far.first("order") else {
                    return false
                };
                streams::__rt::holds(event, |event| event.order == order.order)
            })
            .within(::core::time::Duration::from_millis(3600000u64))
            .skip(streams::pattern::Skip::ToFirst("order"))
    }
    fn select(&self, mut found: streams::pattern::Match<Self::Event>) -> Self::Out {
        unpaid(streams::__rt::taken_once(&mut found, "order"), ())
    }
}
