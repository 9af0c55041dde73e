// Anonymous, page-aligned memory for weights, caches and scratch, and the typed slices handed out of it.
//
// Owns: mapping and unmapping. Does not own: what the bytes mean.
// Invariant: a slice never outlives its region; whoever hands out slices keeps the region alive.
import Glibc

/// A request to the operating system that failed: which call, why, and for what.
public struct SystemError: Error, Sendable, CustomStringConvertible {
    public let call: String
    public let code: Int32
    public let subject: String

    public init(call: String, code: Int32 = errno, subject: String) {
        self.call = call
        self.code = code
        self.subject = subject
    }

    public var description: String { "\(subject): \(call) failed: \(String(cString: strerror(code)))" }
}

/// Zero-filled memory obtained with `mmap`; large regions ask for huge pages before the first touch.
public final class MemoryRegion: @unchecked Sendable {
    package let base: UnsafeMutableRawPointer
    public let byteCount: Int

    /// - Parameter byteCount: bytes wanted; 0 is allowed and maps one page.
    public init(byteCount: Int) throws(SystemError) {
        let size = max(byteCount, 4096)
        let protection = PROT_READ | PROT_WRITE
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard let mapped = mmap(nil, size, protection, flags, -1, 0), mapped != MAP_FAILED else {
            throw SystemError(call: "mmap", subject: "\(size) bytes of memory")
        }
        base = mapped
        self.byteCount = size
        if size >= 4 << 20 { madvise(mapped, size, MADV_HUGEPAGE) }
    }

    /// Access to all bytes for the duration of `body`.
    public func withBytes<Result>(_ body: (UnsafeMutableRawBufferPointer) throws -> Result) rethrows -> Result {
        try body(UnsafeMutableRawBufferPointer(start: base, count: byteCount))
    }

    /// Returns the pages that lie wholly within `range` to the system; they read as zeros until they are written again.
    func yield(_ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount)
        let page = Int(getpagesize())
        let (start, end) = ((range.lowerBound + page - 1) / page * page, range.upperBound / page * page)
        if start < end { madvise(base + start, end - start, MADV_DONTNEED) }
    }

    deinit { munmap(base, byteCount) }
}

/// A bump allocator over a growing list of regions: weights are placed once and live as long as the arena.
public final class Arena {
    private var regions: [MemoryRegion] = []
    private var used = 0
    private let chunk: Int

    /// - Parameter chunkByteCount: size of one region; larger requests get a region of their own.
    public init(chunkByteCount: Int = 64 << 20) { chunk = chunkByteCount }

    /// Bytes mapped so far.
    public var byteCount: Int { regions.reduce(0) { $0 + $1.byteCount } }

    /// 64-byte aligned, zero-filled bytes.
    package func allocate(byteCount: Int) throws(SystemError) -> UnsafeMutableRawPointer {
        precondition(byteCount >= 0)
        let rounded = (byteCount + 63) & ~63
        if let last = regions.last, used + rounded <= last.byteCount {
            defer { used += rounded }
            return last.base + used
        }
        let region = try MemoryRegion(byteCount: max(rounded, chunk))
        regions.append(region)
        used = rounded
        return region.base
    }

    /// `count` zeroed floats.
    public func floats(_ count: Int) throws(SystemError) -> Floats {
        let raw = try allocate(byteCount: count * MemoryLayout<Float>.stride)
        return Floats(base: raw.bindMemory(to: Float.self, capacity: count), count: count)
    }

    /// `count` zeroed 32-bit integers.
    public func integers(_ count: Int) throws(SystemError) -> Int32s {
        let raw = try allocate(byteCount: count * MemoryLayout<Int32>.stride)
        return Int32s(base: raw.bindMemory(to: Int32.self, capacity: count), count: count)
    }
}

/// A mutable run of floats inside an arena. Copying the value copies the reference, not the floats.
public struct Floats: @unchecked Sendable {
    package let base: UnsafeMutablePointer<Float>
    public let count: Int

    package init(base: UnsafeMutablePointer<Float>, count: Int) {
        self.base = base
        self.count = count
    }

    @inlinable public subscript(index: Int) -> Float {
        get {
            precondition(index >= 0 && index < count)
            return pointer[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count)
            pointer[index] = newValue
        }
    }

    /// `length` floats starting at `start`.
    public func slice(from start: Int, count length: Int) -> Floats {
        precondition(start >= 0 && length >= 0 && start <= count - length)
        return Floats(base: base + start, count: length)
    }

    /// Overwrites the floats with those of `source`, which has as many.
    public func copy(_ source: Floats) {
        precondition(count == source.count)
        base.update(from: source.base, count: count)
    }

    /// Direct access for loops that the optimiser must see through; valid while the arena lives.
    public var buffer: UnsafeMutableBufferPointer<Float> { UnsafeMutableBufferPointer(start: base, count: count) }

    @usableFromInline var pointer: UnsafeMutablePointer<Float> { base }
}

/// A mutable run of 32-bit integers inside an arena.
public struct Int32s: @unchecked Sendable {
    package let base: UnsafeMutablePointer<Int32>
    public let count: Int

    public subscript(index: Int) -> Int32 {
        get {
            precondition(index >= 0 && index < count)
            return base[index]
        }
        nonmutating set {
            precondition(index >= 0 && index < count)
            base[index] = newValue
        }
    }
}
