// The generations behind one answer: every prompt, as many times as asked.
//
// Owns: starting them, a limited number at a time so that one client's list does not fill the queue. Invariants: what can be
// refused is refused before the first byte of the answer; when the receiver of the events stops, all generations are cancelled.
import Quern
import QuernAPI

struct ChoiceGroup: Sendable {
    enum Event: Sendable {
        case of(choice: Int, TextEvent)
        /// What `remind` asked for.
        case reminder
    }

    /// Generations of one answer that wait or run at the same time.
    static let width = 32

    /// The events of all choices; ends after every choice's last.
    let events: AsyncStream<Event>
    private let feed: AsyncStream<Event>.Continuation
    private let task: Task<Void, Never>

    /// Starts as many of `requests`, one per choice, as may run at once.
    ///
    /// - Throws: when one of these is refused; then none runs.
    init(_ requests: [PreparedRequest], on model: LoadedModel) throws(RequestError) {
        var started: [TextGeneration] = []
        for request in requests.prefix(Self.width) {
            do {
                started.append(try model.start(request))
            } catch {
                for generation in started { generation.cancel() }
                throw error
            }
        }
        let (events, feed) = AsyncStream.makeStream(of: Event.self)
        let running = started
        task = Task {
            await withTaskGroup(of: Void.self) { group in
                for (choice, generation) in running.enumerated() {
                    group.addTask { await feed.forward(generation, as: choice) }
                }
                var next = running.count
                while await group.next() != nil, next < requests.count, !Task.isCancelled {
                    let choice = next
                    next += 1
                    do throws(RequestError) {
                        let generation = try model.start(requests[choice])
                        group.addTask { await feed.forward(generation, as: choice) }
                    } catch {
                        feed.yield(.of(choice: choice, .failed(error)))
                    }
                }
                await group.waitForAll()
            }
            feed.finish()
        }
        feed.onTermination = { [task] _ in task.cancel() }
        self.events = events
        self.feed = feed
    }

    /// Puts a reminder among the events, for a receiver that must do something even when nothing happens.
    func remind() { feed.yield(.reminder) }

    /// Ends all of them at the next step.
    func cancel() { task.cancel() }
}

extension AsyncStream<ChoiceGroup.Event>.Continuation {
    fileprivate func forward(_ generation: TextGeneration, as choice: Int) async {
        for await event in generation { yield(.of(choice: choice, event)) }
    }
}
