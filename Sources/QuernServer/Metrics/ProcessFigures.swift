// What this process uses, as the kernel says; absent figures are left out.
import Foundation
import Glibc

struct ProcessFigures {
    var residentBytes: Int?
    var cpuSeconds: Double
    var openDescriptors: Int?

    init() {
        // Second number of statm: resident pages.
        residentBytes = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))
            .flatMap { Int($0.split(separator: " ").dropFirst().first ?? "") }.map { $0 * Int(sysconf(Int32(_SC_PAGESIZE))) }
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        cpuSeconds = [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
        openDescriptors = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd"))?.count
    }
}
