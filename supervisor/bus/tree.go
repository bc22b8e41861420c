package bus

import (
	"strings"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"
)

// handling answers a call.
type handling func(*call) ([]any, error)

// facet is one interface of an object: what introspection tells of it, and what
// answers.
type facet struct {
	about   *introspect.Interface
	methods map[string]handling
	read    func() map[string]dbus.Variant // nil without properties
	write   func(c *call, name string, value dbus.Variant) error
}

// facets are the interfaces of an object as it is at the moment: instances come
// and go while a connection lasts. Objects that only lead to others have those
// that every object has.
func (s *Server) facets(path dbus.ObjectPath) ([]*facet, bool) {
	var own []*facet
	switch path {
	case ManagerPath:
		own = s.managerFacets()
	case LogControlPath:
		if s.Level != nil {
			own = []*facet{logControlFacet(s.Level)}
		}
	default:
		if instance, ok := s.instanceAt(path); ok {
			own = []*facet{instanceFacet(instance)}
		}
	}
	children := s.children(path)
	if own == nil && children == nil {
		return nil, false
	}
	return withStandard(own, children), true
}

// children are the names of the objects directly below a path.
func (s *Server) children(path dbus.ObjectPath) []string {
	below := strings.TrimSuffix(string(path), "/") + "/"
	var names []string
	seen := map[string]bool{}
	for _, p := range s.paths() {
		rest, ok := strings.CutPrefix(string(p), below)
		name, _, _ := strings.Cut(rest, "/")
		if ok && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// paths are those of all objects. The manager leads to instances even while
// there are none.
func (s *Server) paths() []dbus.ObjectPath {
	paths := []dbus.ObjectPath{ManagerPath}
	for _, i := range s.Instances() {
		paths = append(paths, InstancePath(i.Name()))
	}
	if s.Level != nil {
		paths = append(paths, LogControlPath)
	}
	return paths
}

// withStandard adds the interfaces that D-Bus itself defines.
func withStandard(own []*facet, children []string) []*facet {
	facets := own
	for _, f := range own {
		if f.read != nil {
			facets = append(facets, propertiesFacet(own))
			break
		}
	}
	self := &facet{about: &introspect.IntrospectData}
	facets = append(facets, self)
	self.methods = map[string]handling{"Introspect": func(*call) ([]any, error) {
		text, err := describe(facets, children)
		if err != nil {
			return nil, failed(err)
		}
		return []any{text}, nil
	}}
	return facets
}

// propertiesFacet answers for the properties of the others. They are looked at
// when they are asked for.
func propertiesFacet(own []*facet) *facet {
	of := func(c *call) (*facet, error) {
		for _, f := range own {
			if f.about.Name == c.body[0].(string) && f.read != nil {
				return f, nil
			}
		}
		return nil, refusal("UnknownInterface", "%s has no properties of %q", c.path, c.body[0])
	}
	get := func(c *call) ([]any, error) {
		f, err := of(c)
		if err != nil {
			return nil, err
		}
		if c.member == "GetAll" {
			return []any{f.read()}, nil
		}
		value, ok := f.read()[c.body[1].(string)]
		if !ok {
			return nil, refusal("UnknownProperty", "%s has no property %q", f.about.Name, c.body[1])
		}
		return []any{value}, nil
	}
	set := func(c *call) ([]any, error) {
		f, err := of(c)
		if err != nil {
			return nil, err
		}
		if f.write == nil {
			return nil, refusal("PropertyReadOnly", "property %q is read-only", c.body[1])
		}
		return nil, f.write(c, c.body[1].(string), c.body[2].(dbus.Variant))
	}
	return &facet{about: propertiesDescription, methods: map[string]handling{"Get": get, "GetAll": get, "Set": set}}
}
