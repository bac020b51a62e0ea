package keystone

import (
	"strings"
	"testing"
	"time"

	"github.com/jeton-cli/jeton/plugin"
)

func TestRights(t *testing.T) {
	for roles, want := range map[string]string{
		"member":          "",
		"objectstore_all": "objectstoreOperator",
		"compute_read image_read volume_read network_read network_secgroup_read": "infrastructureSupervisor",
		"ai_training_all ai_training_read":                                       "aiTrainingOperator",
		"network_secgroup_manage network_secgroup_read objectstore_all": "networkSecurityOperator " +
			"objectstoreOperator",
		rights[0].roles: "administrator",
	} {
		actions := rightsOf(strings.Fields(roles))
		var got []string
		for _, action := range actions {
			got = append(got, action[strings.LastIndexByte(action, ':')+1:])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, not %s", roles, got, want)
		}
		c := &plugin.Credential{Attrs: map[string]string{plugin.AttrOVHRights: strings.Join(actions, " ")}}
		findings := doctor("p", c, time.Now())
		if lacks := want != "" && !strings.Contains(roles, objectStoreRole); lacks != (len(findings) == 1) {
			t.Errorf("%s: %+v", roles, findings)
		}
	}
}
