package keystone

import (
	"slices"
	"strings"

	"github.com/jeton-cli/jeton/plugin"
)

// rights are the rights of OVHcloud's IAM in a Public Cloud project, each with the roles
// that it gives a token of Keystone.
//
// https://help.ovhcloud.com/csm/en-gb-manage-service-account-openstack?id=kb_article_view&sysparm_article=KB0059364
var rights = []struct{ action, roles string }{
	{"publicCloudProject:openstack:administrator", "compute_manage compute_snapshot_manage compute_read " +
		"objectstore_all image_manage image_read image_import volume_manage volume_snapshot_manage volume_read " +
		"network_manage network_read network_secgroup_manage network_secgroup_read"},
	{"publicCloudProject:openstack:backupOperator",
		"compute_snapshot_manage compute_read image_read image_import volume_snapshot_manage volume_read"},
	{"publicCloudProject:openstack:computeOperator", "compute_manage compute_snapshot_manage compute_read " +
		"image_read volume_read network_read network_secgroup_read"},
	{"publicCloudProject:openstack:imageOperator", "image_manage image_read image_import"},
	{"publicCloudProject:openstack:infrastructureSupervisor",
		"compute_read image_read volume_read network_read network_secgroup_read"},
	{"publicCloudProject:openstack:networkOperator", "network_manage network_read network_secgroup_read"},
	{"publicCloudProject:openstack:networkSecurityOperator", "network_secgroup_manage network_secgroup_read"},
	{"publicCloudProject:openstack:objectstoreOperator", objectStoreRole},
	{"publicCloudProject:openstack:volumeOperator", "volume_manage volume_snapshot_manage volume_read"},
	{"publicCloudProject:ai:aiTrainingOperator", "ai_training_all ai_training_read"},
	{"publicCloudProject:ai:aiTrainingRead", "ai_training_read"},
}

// objectStoreRole is the role without which OVHcloud's Swift refuses everything.
const objectStoreRole = "objectstore_all"

// rightsOf returns the rights that these roles amount to, without those that are a part of
// another. It returns nothing if the roles are not OVHcloud's.
func rightsOf(roles []string) (actions []string) {
	for i, r := range rights {
		within := slices.ContainsFunc(rights[:i], func(larger struct{ action, roles string }) bool {
			return contains(roles, larger.roles) && contains(strings.Fields(larger.roles), r.roles)
		})
		if contains(roles, r.roles) && !within {
			actions = append(actions, r.action)
		}
	}
	return actions
}

// contains reports whether all has each of the roles.
func contains(all []string, roles string) bool {
	return !slices.ContainsFunc(strings.Fields(roles), func(role string) bool { return !slices.Contains(all, role) })
}

// rightsTable returns a table of the rights.
func rightsTable(actions []string) plugin.Table {
	table := plugin.Table{Name: "rights", Columns: []string{"action"}}
	for _, action := range actions {
		table.Rows = append(table.Rows, []string{action})
	}
	return table
}

// checkRights returns a finding if a login at OVHcloud cannot use the object storage.
func checkRights(profile string, c *plugin.Credential) []plugin.Finding {
	actions := strings.Fields(c.Attrs[plugin.AttrOVHRights])
	for _, r := range rights {
		if slices.Contains(actions, r.action) && contains(strings.Fields(r.roles), objectStoreRole) {
			return nil
		}
	}
	if len(actions) == 0 {
		return nil
	}
	return []plugin.Finding{{
		Check: "rights", Level: plugin.Doubtful, Profile: profile, Where: c.Attrs[plugin.AttrUserName],
		What: "OVHcloud's IAM does not allow it publicCloudProject:openstack:objectstoreOperator: Swift answers " +
			"403 (" + strings.Join(actions, ", ") + " is allowed)",
	}}
}
