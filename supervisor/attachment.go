package supervisor

import "time"

// Attachment is what is remembered of an instance between our runs.
type Attachment struct {
	// Baseline is the Build.Key of a binary on disk that differed from the
	// running one when we first attached. It is shown as pending and never
	// acted upon by itself.
	Baseline string `json:"baseline,omitempty"`
	// Refused is the candidate refused last, so that it is recorded once.
	Refused *Refused `json:"refused,omitempty"`
	// Held is true while nothing is done without being asked.
	Held bool `json:"held,omitempty"`
	// Quarantine holds the builds that crashed or answered wrongly.
	Quarantine []Condemned `json:"quarantine,omitempty"`
	// Acknowledged is the Build.Key of a build that a person knows to be bad:
	// package runs do not fail for it any more.
	Acknowledged string `json:"acknowledged,omitempty"`
	// Loaded is set after a way back, until the next reload.
	Loaded *LoadedAt `json:"loaded,omitempty"`
	// Restored is set while a kept binary stands in for a condemned one.
	Restored *Restored `json:"restored,omitempty"`
}

// Condemned is a build in quarantine.
type Condemned struct {
	Key     string    `json:"key"` // see Build.Key
	SHA256  string    `json:"sha256"`
	Version string    `json:"version"`
	Reason  string    `json:"reason"`
	Cycle   string    `json:"cycle"`
	Since   time.Time `json:"since"`
}

// Restored says which build stands in for which.
type Restored struct {
	SHA256    string `json:"sha256"`    // what is on disk
	Condemned string `json:"condemned"` // the Build.Key of what was
	Version   string `json:"version"`   // of the condemned
	Reason    string `json:"reason"`
}

// settle forgets what is no more when disk and memory agree. What a person
// decided and what is condemned stays.
func (a *Attachment) settle(standsIn bool) {
	a.Baseline, a.Refused = "", nil
	if !standsIn {
		a.Restored = nil
	}
}

// condemnation returns the entry of a quarantined build, or nil.
func (a Attachment) condemnation(key string) *Condemned {
	for i := range a.Quarantine {
		if a.Quarantine[i].Key == key {
			return &a.Quarantine[i]
		}
	}
	return nil
}

// undone reports whether a person did not want the build: it stands whatever
// changes.
func (r Refused) undone() bool { return r.Reason == reasonRolledBack && r.Inputs == "" }

// Refused names a refused build and why.
type Refused struct {
	Key    string `json:"key"` // see Build.Key
	Reason string `json:"reason"`
	Text   string `json:"text"`
	// Asked is true when a person wanted the earlier version back.
	Asked bool `json:"asked,omitempty"`
	// Inputs is what the refusal depended on, see Supervisor.inputs. Empty:
	// it stands whatever changes.
	Inputs string `json:"inputs,omitempty"`
}
