// Many requests at a time: enough that the engine computes full batches, few enough that memory stays bounded.

/// Works on inputs as they come, at most `limit` at a time.
///
/// - Parameters:
///   - inOrder: deliver results in the order of the inputs; a slow one then holds back at most 4 × `limit` others.
///   - next: the next input; nil at the end. Called again only after it returned.
///   - work: gets the input's index, from 0.
///   - deliver: gets the index and the result; false ends everything early.
/// - Throws: the first error of any of the three; everything else is cancelled.
public func concurrently<Input: Sendable, Output: Sendable>(
    limit: Int, inOrder: Bool,
    next: @escaping @Sendable () async throws -> Input?,
    work: @escaping @Sendable (Int, Input) async throws -> Output,
    deliver: (Int, Output) async throws -> Bool
) async throws {
    try await withThrowingTaskGroup(of: Event<Input, Output>.self) { tasks in
        defer { tasks.cancelAll() }
        var (started, delivered, running) = (0, 0, 0)
        var (isReading, isAtEnd) = (false, false)
        var early: [Int: Output] = [:]
        while true {
            if !isReading && !isAtEnd && running < limit && (!inOrder || started - delivered < limit * 4) {
                isReading = true
                tasks.addTask { .input(try await next()) }
            }
            guard let event = try await tasks.next() else { return }
            switch event {
            case .input(let input?):
                let index = started
                started += 1
                running += 1
                isReading = false
                tasks.addTask { .output(index, try await work(index, input)) }
            case .input(nil):
                isAtEnd = true
                isReading = false
            case .output(let index, let output):
                running -= 1
                early[index] = output
                var ready = inOrder ? delivered : index
                while let output = early.removeValue(forKey: ready) {
                    guard try await deliver(ready, output) else { return }
                    delivered += 1
                    ready = inOrder ? delivered : -1
                }
            }
        }
    }
}

private enum Event<Input: Sendable, Output: Sendable>: Sendable {
    case input(Input?)
    case output(Int, Output)
}
