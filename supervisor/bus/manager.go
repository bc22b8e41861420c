package bus

import (
	"github.com/godbus/dbus/v5"
)

// Listed is one instance as ListInstances returns it: its name, its pid file
// (empty for one that is found by its unit) and its object.
type Listed struct {
	Name    string
	PIDFile string
	Path    dbus.ObjectPath
}

// managerFacets are those of the object that knows the instances.
func (s *Server) managerFacets() []*facet {
	return []*facet{
		{about: managerInterface, methods: map[string]handling{"ListInstances": s.listInstances, "Reload": s.reload}},
		{about: objectManagerDescription, methods: map[string]handling{"GetManagedObjects": s.managedObjects}},
	}
}

func (s *Server) listInstances(*call) ([]any, error) {
	list := []Listed{}
	for _, i := range s.Instances() {
		list = append(list, Listed{clean(i.Name()), clean(i.PIDFile()), InstancePath(i.Name())})
	}
	return []any{list}, nil
}

// reload reads the configuration anew. On an error the old one stays.
func (s *Server) reload(c *call) ([]any, error) {
	if err := c.conn.authorize(c, actionManage, ""); err != nil {
		return nil, err
	}
	if err := s.Reload(); err != nil {
		return nil, failed(err)
	}
	return nil, nil
}

func (s *Server) managedObjects(*call) ([]any, error) {
	objects := map[dbus.ObjectPath]map[string]map[string]dbus.Variant{}
	for _, i := range s.Instances() {
		objects[InstancePath(i.Name())] = map[string]map[string]dbus.Variant{InstanceInterface: variants(i.Status())}
	}
	return []any{objects}, nil
}
