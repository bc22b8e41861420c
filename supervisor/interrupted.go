package supervisor

// leftRunning is the record of a cycle that may have touched the masters and that
// nobody goes on with yet, or nil.
func (s *Supervisor) leftRunning() *Record {
	rec, err := s.store.LoadRunning(s.instance.Name)
	if err != nil || rec == nil || rec.Boot != bootID() || rec.Phase == Verifying || rec.Phase == Keeping {
		return nil
	}
	return rec
}

// hearFirst deals with the request that came before the cycle is gone on with. An
// upgrade without a daemon is left for its end: then it looks what there is to do.
func (s *Supervisor) hearFirst(c *cycle) {
	r := s.first
	if r == nil || s.oneShot != "" && (r.Action == "" || r.Action == ActionUpgrade) {
		return
	}
	s.first = nil
	s.meanwhile(c, *r)
}
