// How many descriptors this process may have open: as many as the machine's administrator lets it.
import Glibc

enum DescriptorLimit {
    /// Raises the soft limit to the hard one. The usual soft limit, 1,024, is kept low for programs that use `select`, and is less
    /// than the connections the daemon serves.
    static func raise() {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0, limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(resource, &limit)
    }
}
