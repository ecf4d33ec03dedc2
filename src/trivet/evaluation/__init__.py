"""The room that measures an index on judged queries; still empty."""
